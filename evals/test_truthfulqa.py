"""TruthfulQA: questions that invite a misconception, answered freely and as multiple choice."""

from lek import cases


@cases("truthfulqa")
def test_truthfulqa(case, subject, judge, record):
    record(judge(case, subject.respond(case)))


@cases("truthfulqa_mc")
def test_truthfulqa_mc(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
