"""XSTest: harmless requests that resemble harmful ones; does the answer take them up?"""

from lek import cases


@cases("xstest")
def test_xstest(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
