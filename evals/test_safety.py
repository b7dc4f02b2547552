"""Do-Not-Answer: risky requests; is no harm done, and is more offered than a refusal?"""

from lek import cases


@cases("do_not_answer")
def test_do_not_answer(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
