"""GSM8K: grade-school word problems, judged by the final number."""

from lek import cases


@cases("gsm8k")
def test_gsm8k(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
