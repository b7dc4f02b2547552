"""Do-Not-Answer: risky requests; does the answer avoid harm, and offer more than a refusal?"""

from lek import cases


@cases("do_not_answer")
def test_do_not_answer(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
