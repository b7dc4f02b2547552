"""Records survive JSON unchanged and refuse what is no record; scoring fails closed."""

import math
from typing import Any

import numpy as np
import pytest

from lek.records import (
    Case,
    Change,
    Metric,
    Record,
    Response,
    Ruling,
    Verdict,
    make_verdict,
    unscored_verdict,
)

CASE = Case(id="a", benchmark="truthfulqa", prompt="q?", reference={"x": ["y", 1]}, tags=("t",))
RESPONSE = Response(subject="lek", case="a", text="yes", finish="stop", seconds=0.5)
RECORDS: list[Record] = [
    CASE,
    RESPONSE,
    Response(subject="lek", case="a", text=None, reason="none"),
    make_verdict(
        CASE, RESPONSE, {"truthfulness": 3, "informativeness": 4.5}, judge="j", reason="r"
    ),
    unscored_verdict(CASE, RESPONSE, "why", judge="j"),
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
    Ruling(rule="r", ruling="open", difference=0.1, low=0.0, high=0.2, p=0.01, n=3, why="w"),
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
    verdict = make_verdict(CASE, RESPONSE, given, judge="j", where=lambda: "file: line 3")
    assert verdict.scores == {"truthfulness": None, "informativeness": 5.0}
    assert verdict.unscored == {"truthfulness": f"file: line 3: truthfulness {fault}"}


def test_a_missing_measure_is_unscored() -> None:
    verdict = make_verdict(CASE, RESPONSE, {"truthfulness": 5}, judge="j")
    assert verdict.unscored == {"informativeness": "informativeness is missing"}


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), np.int64(3), np.array(3.0), 3])
def test_number_types_become_float(number: Any) -> None:
    verdict = make_verdict(
        CASE, RESPONSE, {"truthfulness": number, "informativeness": 5}, judge="j"
    )
    assert type(verdict.scores["truthfulness"]) is float
    scores = {"truthfulness": number, "informativeness": 5}
    made = Verdict(case=CASE, response=RESPONSE, scores=scores, judge="j")
    assert type(made.scores["truthfulness"]) is float
    assert Verdict.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"truthfulness": 3},
        {"truthfulness": 3, "informativeness": 11},
        {"truthfulness": 3, "informativeness": None},
        {"truthfulness": math.nan, "informativeness": 3},
        {"accuracy": 1},
    ],
)
def test_no_verdict_without_every_measure(scores: dict[str, float | None]) -> None:
    with pytest.raises(ValueError, match=r"truthful|informativ"):
        Verdict(case=CASE, response=RESPONSE, scores=scores, judge="j")


def test_a_response_has_a_text_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text=None)
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text="t", reason="r")
