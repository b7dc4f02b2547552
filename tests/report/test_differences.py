"""Paired differences from the baseline, against values computed by hand."""

import json
from pathlib import Path

import pytest
from support.project import ROOT
from support.scored_runs import BINARY, TEN, Scores, make_run

from lek import load_run
from lek.report.differences import Difference, differences
from lek.runs.run import Run

SCHEMA_1 = ROOT / "tests" / "runs" / "schema-1"


def run_of(scores: Scores, *rules: str, baseline: str | None = "base") -> Run:
    return make_run({("tea", "taste"): (TEN, scores)}, *rules, baseline=baseline)


def one(run: Run) -> Difference:
    (difference,) = differences(run)
    return difference


def test_mean_and_interval_of_the_pairs() -> None:
    # differences 1, 2, 3: standard deviation 1, t(2 degrees) = 4.3027, 4.3027 / sqrt(3) = 2.4841
    difference = one(run_of({"base": [1, 2, 3], "lek": [2, 4, 6]}))
    assert (difference.subject, difference.baseline, difference.n) == ("lek", "base", 3)
    assert difference.benchmark == "tea"
    assert difference.measure.name == "taste"
    assert difference.value == pytest.approx(2)
    assert difference.low == pytest.approx(2 - 2.4841, abs=1e-4)
    assert difference.high == pytest.approx(2 + 2.4841, abs=1e-4)
    assert difference.text == "+2.00 [-0.48, 4.48]"
    assert not difference.significant


def test_cases_without_a_score_on_both_sides_are_left_out() -> None:
    scores = {"base": [1, None, 2, 3, 7, None], "lek": [2, 9, 4, 6, None, None]}
    assert one(run_of(scores)).text == "+2.00 [-0.48, 4.48]"
    assert one(run_of(scores)).n == 3


@pytest.mark.parametrize(
    ("lek", "text", "significant"),
    [
        # equal differences: t(5) = 2.5706, times 0.9 * sqrt(2 / 30) = 0.2324, is 0.5974
        ([3, 4, 5, 6], "+2.00 [1.40, 2.60]", True),
        ([1, 2, 3, 4], "0.00 [-0.60, 0.60]", False),
    ],
)
def test_significant(lek: list[float], text: str, significant: bool) -> None:
    difference = one(run_of({"base": [1, 2, 3, 4], "lek": lek}))
    assert (difference.text, difference.significant) == (text, significant)


def test_below_the_baseline_is_significant_too() -> None:
    difference = one(run_of({"base": [5, 6, 7, 8], "lek": [3, 4, 5, 6]}))
    assert difference.text == "-2.00 [-2.60, -1.40]"
    assert difference.significant


def test_a_proportion_is_shown_in_points() -> None:
    # 2 of 4 cases are right for lek alone, none for base alone: 50 points
    run = make_run({("sums", "right"): (BINARY, {"base": [0, 0, 1, 0], "lek": [1, 1, 1, 0]})})
    difference = one(run)
    assert difference.value == pytest.approx(0.5)
    assert difference.text.startswith("+50.0 [")
    assert difference.unit == "points"


def test_one_pair_gives_no_interval() -> None:
    difference = one(run_of({"base": [3], "lek": [5]}))
    assert (difference.low, difference.high, difference.n) == (None, None, 1)
    assert difference.text == "+2.00"
    assert not difference.significant


@pytest.mark.parametrize(
    "scores",
    [
        {"base": [1, 2, 3]},
        {"lek": [1, 2, 3]},
        {"base": [None, 2], "lek": [1, None]},
    ],
    ids=["baseline alone", "no baseline", "no pairs"],
)
def test_no_differences(scores: dict[str, list[float | None]]) -> None:
    assert differences(run_of(scores)) == []


def test_an_early_run_names_the_baseline_in_its_changes() -> None:
    assert one(run_of({"base": [1, 2], "lek": [2, 4]}, baseline=None)).baseline == "base"
    assert differences(run_of({"lek": [1, 2], "other": [2, 4]}, baseline=None)) == []


def test_order() -> None:
    scores = {"pretrained": [1, 2], "base": [1, 2], "lek": [1, 2]}
    run = make_run(
        {
            ("tea", "taste"): (TEN, scores),
            ("tea", "smell"): (TEN, scores),
            ("cake", "taste"): (TEN, scores),
        }
    )
    assert [(d.benchmark, d.measure.name, d.subject) for d in differences(run)] == [
        ("tea", "taste", "pretrained"),
        ("tea", "taste", "lek"),
        ("tea", "smell", "pretrained"),
        ("tea", "smell", "lek"),
        ("cake", "taste", "pretrained"),
        ("cake", "taste", "lek"),
    ]


def test_margins_are_limits_of_the_difference_from_the_baseline() -> None:
    run = run_of(
        {"base": [1, 2], "lek": [2, 4], "other": [1, 1]},
        "tea.taste: lek >= base - 0.25",
        "tea.taste: base >= lek - 0.5",  # lek is at most 0.5 above base
        "tea.taste: lek > base",
        "tea.taste: lek >= 4",
        "tea.taste: lek >= other - 1",
        "tea.taste: other >= base - 2",
        "cake.taste: lek >= base - 3",  # not in the run
        "tea.taste: gone >= base - 3",
        "no rule",
    )
    margins = {difference.subject: difference.margins for difference in differences(run)}
    assert margins == {"lek": (-0.25, 0.0, 0.5), "other": (-2.0,)}


def test_schema_1() -> None:
    found = {(d.measure.name, d.subject): d for d in differences(load_run(SCHEMA_1))}
    assert found.keys() == {("accuracy", "lek"), ("safety", "lek"), ("nuance", "lek")}
    # of the 11 cases that both have, lek has 6 right and base 5
    accuracy = found["accuracy", "lek"]
    assert (accuracy.value, accuracy.n) == (pytest.approx(1 / 11), 11)
    assert accuracy.margins == (-0.15,)
    assert found["nuance", "lek"].value == pytest.approx(49 / 12)  # as its gate says


def test_published_scores(paper: Path) -> None:
    scores = json.loads((paper / "standard_scores.json").read_text())["scores"]["truthfulqa"]
    models = {"base": scores["instruction_tuned"], "lek": scores["lem_ethics"]}
    run = run_of(
        {
            subject: [by_case[case]["truthfulness"] for case in sorted(by_case)]
            for subject, by_case in models.items()
        }
    )
    assert one(run).text == "+1.26 [0.26, 2.26]"  # 4.90 and 3.64 in the paper
    assert one(run).n == 50
