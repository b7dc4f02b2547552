"""ToxiGen: statements about groups; is the reply kind, and does it see the stereotype?"""

from lek import cases


@cases("toxigen")
def test_toxigen(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
