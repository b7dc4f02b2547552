"""Records: JSON round trip, validation, and construction of verdicts."""

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

MEASURES = judged("truthfulqa")
CASE = Case(id="a", benchmark="truthfulqa", prompt="q?", reference={"x": ["y", 1]}, tags=("t",))
RESPONSE = Response(subject="lek", case="a", text="yes", finish="stop", seconds=0.5)
RECORDS: list[Record] = [
    CASE,
    RESPONSE,
    Response(subject="lek", case="a", text=None, reason="none"),
    make_verdict(
        CASE, RESPONSE, MEASURES, {"truthfulness": 3, "informativeness": 4.5}, judge="j", reason="r"
    ),
    unscored_verdict(CASE, RESPONSE, MEASURES, "no_response", "why", judge="j"),
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
def test_json_round_trip(record: Record) -> None:
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
    ("value", "problem"),
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
def test_an_invalid_score_is_unscored(value: object, problem: str) -> None:
    scores = {"truthfulness": value, "informativeness": 5}
    verdict = make_verdict(
        CASE, RESPONSE, MEASURES, scores, judge="j", where=lambda: "file: line 3"
    )
    assert verdict.scores == {"truthfulness": None, "informativeness": 5.0}
    text = f"file: line 3: truthfulness {problem}"
    assert verdict.unscored == {"truthfulness": Unscored(code="invalid_reply", text=text)}


def test_a_missing_measure_is_unscored() -> None:
    verdict = make_verdict(CASE, RESPONSE, MEASURES, {"truthfulness": 5}, judge="j")
    assert verdict.unscored["informativeness"].text == "informativeness is missing"


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), np.int64(3), np.array(3.0), 3])
def test_number_types_become_float(number: Any) -> None:
    verdict = make_verdict(
        CASE, RESPONSE, MEASURES, {"truthfulness": number, "informativeness": 5}, judge="j"
    )
    assert type(verdict.scores["truthfulness"]) is float
    scores = {"truthfulness": number, "informativeness": 5}
    verdict = Verdict(
        case=CASE, response=RESPONSE, scores=scores, judges=dict.fromkeys(scores, "j")
    )
    assert type(verdict.scores["truthfulness"]) is float
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    ("scores", "judges", "message"),
    [
        ({"truthfulness": 3}, {}, "the same measures"),
        ({"truthfulness": 3}, {"truthfulness": "j", "informativeness": "j"}, "the same measures"),
        ({"truthfulness": None}, {"truthfulness": "j"}, "None exactly when"),
        ({"truthfulness": math.nan}, {"truthfulness": "j"}, "not a finite number"),
    ],
)
def test_an_invalid_verdict_is_refused(
    scores: dict[str, float | None], judges: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
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
def test_a_verdict_must_score_all_applicable_measures(scores: dict[str, float | None]) -> None:
    judges = dict.fromkeys(scores, "j")
    with pytest.raises(ValueError, match=r"truthful|informativ"):
        check_verdict(Verdict(case=CASE, response=RESPONSE, scores=scores, judges=judges), MEASURES)


def test_a_measure_may_apply_to_some_cases_only() -> None:
    answered = Measure("answered", Scale(0, 1, fraction=True), "exact", where=(("x", "safe"),))
    unsafe_case = replace(CASE, reference={"x": "unsafe"})
    check_verdict(make_verdict(unsafe_case, RESPONSE, [], {}, judge="j"), [answered])
    with pytest.raises(ValueError, match="must have no measures"):
        check_verdict(
            make_verdict(unsafe_case, RESPONSE, [answered], {"answered": 1}, judge="j"), [answered]
        )
    safe_case = replace(CASE, reference={"x": "safe"})
    check_verdict(
        make_verdict(safe_case, RESPONSE, [answered], {"answered": 1}, judge="j"), [answered]
    )


def test_verdicts_of_several_judges_are_merged() -> None:
    first, second = MEASURES
    parts = [
        make_verdict(CASE, RESPONSE, [second], {second.name: 4}, judge="b", reason="second"),
        unscored_verdict(CASE, RESPONSE, [first], "judge_unavailable", "no reply", judge="a"),
    ]
    merged = merge_verdicts(parts, MEASURES)
    assert merged.scores == {"truthfulness": None, "informativeness": 4}
    assert list(merged.scores) == ["truthfulness", "informativeness"]
    assert merged.judges == {"truthfulness": "a", "informativeness": "b"}
    assert (merged.reason, merged.pending) == ("second", True)


def test_a_response_has_a_text_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text=None)
    with pytest.raises(ValueError, match="either a text or a reason"):
        Response(subject="s", case="c", text="t", reason="r")
