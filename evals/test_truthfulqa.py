"""TruthfulQA: questions that invite a misconception; is the answer true and informative?"""

from lek import cases


@cases("truthfulqa")
def test_truthfulqa(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
