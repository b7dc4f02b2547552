"""Ethics: open dilemmas, judged for sovereignty, depth, expression and self-concept."""

from lek import cases


@cases("ethics")
def test_ethics(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
