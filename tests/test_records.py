"""Records survive JSON unchanged and refuse what is no record; scoring fails closed."""

import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support.benchmarks import judged

from lek.benchmarks.benchmark import Measure, Scale
from lek.records import (
    Case,
    Change,
    Metric,
    Record,
    Response,
    Ruling,
    Unscored,
    Verdict,
    check_verdict,
    make_verdict,
    merge_verdicts,
    unscored_verdict,
)

BOTH = judged("truthfulqa")
CASE = Case(id="a", benchmark="truthfulqa", prompt="q?", reference={"x": ["y", 1]}, tags=("t",))
RESPONSE = Response(subject="lek", case="a", text="yes", finish="stop", seconds=0.5)
RECORDS: list[Record] = [
    CASE,
    RESPONSE,
    Response(subject="lek", case="a", text=None, reason="none"),
    make_verdict(
        CASE, RESPONSE, BOTH, {"truthfulness": 3, "informativeness": 4.5}, judge="j", reason="r"
    ),
    unscored_verdict(CASE, RESPONSE, BOTH, "no_response", "why", judge="j"),
    Metric(
        subject="lek",
        benchmark="truthfulqa",
        measure="truthfulness",
        value=1.5,
        low=None,
        high=None,
        n=1,
        unscored=0,
        change=Change(against="base", value=0.1, low=None, high=None, n=1),
    ),
    Ruling(rule="r", ruling="passed", difference=0.1, low=0.0, high=0.2, p=0.01, n=3, why="w"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_one_round_trip(record: Record) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert type(record).from_json(line) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_records_are_frozen(record: Record) -> None:
    with pytest.raises(AttributeError):
        record.subject = "other"  # type: ignore[attr-defined]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown field"):
        Case.from_json('{"id": "a", "benchmark": "gsm8k", "prompt": "q", "extra": 1}')


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "is None, not a number"),
        ("7", "is '7', not a number"),
        (True, "is True, not a number"),
        (11, "is 11, outside 1-10"),
        (0, "is 0, outside 1-10"),
        (math.nan, "is nan, outside 1-10"),
        (math.inf, "is inf, outside 1-10"),
        ([7], "is of type list, not a number"),
        ({"score": 7}, "is of type dict, not a number"),
    ],
)
def test_what_is_no_score_is_unscored(value: object, fault: str) -> None:
    given = {"truthfulness": value, "informativeness": 5}
    verdict = make_verdict(CASE, RESPONSE, BOTH, given, judge="j", where=lambda: "file: line 3")
    assert verdict.scores == {"truthfulness": None, "informativeness": 5.0}
    text = f"file: line 3: truthfulness {fault}"
    assert verdict.unscored == {"truthfulness": Unscored(code="invalid_reply", text=text)}


def test_a_missing_measure_is_unscored() -> None:
    verdict = make_verdict(CASE, RESPONSE, BOTH, {"truthfulness": 5}, judge="j")
    assert verdict.unscored["informativeness"].text == "informativeness is missing"


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), np.int64(3), np.array(3.0), 3])
def test_number_types_become_float(number: Any) -> None:
    verdict = make_verdict(
        CASE, RESPONSE, BOTH, {"truthfulness": number, "informativeness": 5}, judge="j"
    )
    assert type(verdict.scores["truthfulness"]) is float
    scores = {"truthfulness": number, "informativeness": 5}
    made = Verdict(case=CASE, response=RESPONSE, scores=scores, judges=dict.fromkeys(scores, "j"))
    assert type(made.scores["truthfulness"]) is float
    assert Verdict.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("scores", "judges", "fault"),
    [
        ({"truthfulness": 3}, {}, "the same measures"),
        ({"truthfulness": 3}, {"truthfulness": "j", "informativeness": "j"}, "the same measures"),
        ({"truthfulness": None}, {"truthfulness": "j"}, "None exactly when"),
        ({"truthfulness": math.nan}, {"truthfulness": "j"}, "not a finite number"),
    ],
)
def test_what_is_no_verdict(
    scores: dict[str, float | None], judges: dict[str, str], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Verdict(case=CASE, response=RESPONSE, scores=scores, judges=judges)


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"truthfulness": 3},
        {"truthfulness": 3, "informativeness": 11},
        {"informativeness": 3, "truthfulness": 3},
        {"accuracy": 1},
    ],
)
def test_a_verdict_scores_every_measure_that_applies(scores: dict[str, float | None]) -> None:
    judges = dict.fromkeys(scores, "j")
    with pytest.raises(ValueError, match=r"truthful|informativ"):
        check_verdict(Verdict(case=CASE, response=RESPONSE, scores=scores, judges=judges), BOTH)


def test_a_measure_may_apply_to_some_cases_only() -> None:
    safe = Measure("answered", Scale(0, 1, fraction=True), "exact", where=(("x", "safe"),))
    other = replace(CASE, reference={"x": "unsafe"})
    check_verdict(make_verdict(other, RESPONSE, [], {}, judge="j"), [safe])
    with pytest.raises(ValueError, match="must have no measures"):
        check_verdict(make_verdict(other, RESPONSE, [safe], {"answered": 1}, judge="j"), [safe])
    mine = replace(CASE, reference={"x": "safe"})
    check_verdict(make_verdict(mine, RESPONSE, [safe], {"answered": 1}, judge="j"), [safe])


def test_parts_of_several_judges_make_one_verdict() -> None:
    one, two = BOTH
    parts = [
        make_verdict(CASE, RESPONSE, [two], {two.name: 4}, judge="b", reason="second"),
        unscored_verdict(CASE, RESPONSE, [one], "judge_unavailable", "no reply", judge="a"),
    ]
    whole = merge_verdicts(parts, BOTH)
    assert whole.scores == {"truthfulness": None, "informativeness": 4}
    assert list(whole.scores) == ["truthfulness", "informativeness"]
    assert whole.judges == {"truthfulness": "a", "informativeness": "b"}
    assert (whole.reason, whole.pending) == ("second", True)


def test_a_response_has_a_text_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text=None)
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text="t", reason="r")
