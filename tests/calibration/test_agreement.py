"""Agreement coefficients and their intervals, and reports as JSON, HTML and terminal text."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.benchmarks import judged

from lek.benchmarks.benchmark import Scale
from lek.calibration.agreement import (
    Calibration,
    Estimate,
    Means,
    Pair,
    kappa,
    spearman,
    subject_means,
)
from lek.calibration.report import WORST, document, lines, page, swaps
from lek.records import Case, Response, make_verdict, unscored_verdict

SAFETY = judged("do_not_answer")
OPTIONS = {"resamples": 200, "seed": 0}
Scores = list[tuple[float, float]]


def random_scores(n: int = 60, per_case: int = 2) -> tuple[list[str], Scores]:
    """Return scores with many ties, for ``per_case`` answers to each case."""
    rng = np.random.default_rng(5)
    recorded = rng.integers(1, 11, n)
    judged = np.clip(recorded + rng.integers(-4, 5, n), 1, 10)
    cases = [f"C{i // per_case:03d}" for i in range(n)]
    return cases, [(float(r), float(j)) for r, j in zip(recorded, judged, strict=True)]


def kappa_by_matrix(scores: Sequence[tuple[float, float]]) -> float:
    """Return kappa by Cohen's (1968) definition: weighted observed over expected disagreement."""
    observed, n = np.zeros((11, 11)), len(scores)
    for r, j in scores:
        observed[int(r), int(j)] += 1
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / n
    weights = np.subtract.outer(np.arange(11), np.arange(11)) ** 2
    return float(1 - (weights * observed).sum() / (weights * expected).sum())


def test_spearman_equals_scipy() -> None:
    cases, scores = random_scores()
    expected = stats.spearmanr(*zip(*scores, strict=True)).statistic
    assert spearman(cases, scores, **OPTIONS).value == pytest.approx(expected, abs=1e-12)
    shifted = [(r, j + i / 100) for i, (r, j) in enumerate(scores)]
    expected = stats.spearmanr(*zip(*shifted, strict=True)).statistic
    assert spearman(cases, shifted, **OPTIONS).value == pytest.approx(expected, abs=1e-12)


def test_kappa_equals_its_definition() -> None:
    cases, scores = random_scores()
    assert kappa(cases, scores, **OPTIONS).value == pytest.approx(
        kappa_by_matrix(scores), abs=1e-12
    )


def test_intervals_equal_those_of_resampled_cases() -> None:
    """Weighting gives the same as collecting the answers of the drawn cases per resample."""
    cases, scores = random_scores()
    by_case = {c: [s for k, s in zip(cases, scores, strict=True) if k == c] for c in cases}
    ids = sorted(by_case)
    rhos, kappas = [], []
    for drawn in np.random.default_rng(3).integers(len(ids), size=(200, len(ids))):
        sample = [s for i in drawn for s in by_case[ids[i]]]
        rhos.append(stats.spearmanr(*zip(*sample, strict=True)).statistic)
        kappas.append(kappa_by_matrix(sample))
    for estimate, resampled in (
        (spearman(cases, scores, resamples=200, seed=3), rhos),
        (kappa(cases, scores, resamples=200, seed=3), kappas),
    ):
        expected = np.quantile(resampled, [0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), abs=1e-9)
        assert estimate.why is None


def test_the_seed_affects_only_the_interval() -> None:
    cases, scores = random_scores()
    one, again, other = (spearman(cases, scores, resamples=99, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one.value == other.value
    assert (one.low, one.high) != (other.low, other.high)


def test_many_pairs_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cases, scores = random_scores()
    one_block = kappa(cases, scores, resamples=400, seed=0)
    monkeypatch.setattr("lek.calibration.agreement._BLOCK", 60 * 7)
    blocks = kappa(cases, scores, resamples=400, seed=0)
    assert one_block.value == blocks.value
    assert (one_block.low, one_block.high) == pytest.approx((blocks.low, blocks.high), abs=0.05)


def test_coefficients_computed_by_hand() -> None:
    cases = ["a", "b", "c", "d"]
    assert spearman(cases, [(1, 1), (2, 2), (3, 4), (4, 3)], **OPTIONS).value == pytest.approx(0.8)
    assert kappa(cases, [(1, 2), (2, 2), (3, 3), (4, 4)], **OPTIONS).value == pytest.approx(
        1 - (1 / 4) / (32 / 16)
    )
    assert kappa(cases[:3], [(1, 3), (2, 2), (3, 1)], **OPTIONS).value == pytest.approx(-1)
    halves = kappa(cases, [(1.5, 2), (2.4, 2), (3.5, 4), (5, 5)], **OPTIONS)
    assert halves.value == 1
    constant = kappa(cases, [(5, 1), (5, 2), (5, 3), (5, 4)], **OPTIONS)
    assert constant.value == 0


@pytest.mark.parametrize("coefficient", [spearman, kappa])
def test_undefined_coefficients_are_none_with_a_reason(coefficient: Any) -> None:
    cases = ["a", "b", "c", "d"]
    for scores in ([], [(1.0, 2.0)], [(1.0, 2.0), (2.0, 1.0)]):
        estimate = coefficient(cases[: len(scores)], scores, **OPTIONS)
        assert estimate == Estimate(
            None, why=f"{len(scores)} scored by both; at least 3 are needed"
        )
    constant = coefficient(cases, [(5.0, 5.0)] * 4, **OPTIONS)
    assert (constant.value, constant.low, constant.high) == (None, None, None)
    assert "same score" in str(constant.why)
    two_cases = coefficient(["a", "a", "b", "b"], [(1, 1), (2, 2), (3, 4), (4, 3)], **OPTIONS)
    assert two_cases.value is not None
    assert (two_cases.low, two_cases.high) == (None, None)
    assert "too few cases" in str(two_cases.why)


def test_no_interval_if_many_resamples_are_undefined() -> None:
    cases = [f"{i}" for i in range(5)]
    estimate = spearman(cases, [(5, 5), (5, 5), (5, 5), (5, 5), (9, 9)], **OPTIONS)
    assert estimate.value == pytest.approx(1)
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.why is not None


def test_means_and_their_difference() -> None:
    four = subject_means("lek", [(1, 2), (3, 3), (5, 7), (4, 6)], Scale(1, 10))
    assert (four.n, four.recorded, four.judged) == (4, 3.25, 4.5)
    assert four.difference.value == 1.25
    assert four.difference.low is not None
    assert four.difference.high is not None
    assert four.difference.low < 1.25 < four.difference.high
    one = subject_means("lek", [(1, 4)], Scale(1, 10))
    assert (one.difference.value, one.difference.low) == (3, None)
    assert one.difference.why is not None
    none = subject_means("lek", [], Scale(1, 10))
    assert (none.n, none.recorded, none.judged, none.difference.value) == (0, None, None, None)
    assert none.difference.why is not None


def means(**by_subject: tuple[float, float]) -> list[Means]:
    """Return the means of subjects, given as (recorded, judged)."""
    return [Means(s, 3, r, j, Estimate(j - r)) for s, (r, j) in by_subject.items()]


def test_swaps_lists_subjects_in_a_different_order() -> None:
    assert swaps(means(a=(1, 2), b=(2, 3), c=(3, 9))) == []
    assert swaps(means(a=(2, 5), b=(2, 5))) == []
    assert swaps(means(a=(1, 2), b=(2, 3), c=(3, 2.5))) == [
        {"higher": "c", "lower": "b", "recorded": 1, "judged": -0.5}
    ]
    assert swaps(means(a=(1, 2), b=(1, 3))) == [
        {"higher": "b", "lower": "a", "recorded": 0, "judged": 1}
    ]
    assert swaps(means(a=(1, 3), b=(2, 3))) == [
        {"higher": "b", "lower": "a", "recorded": 1, "judged": 0}
    ]
    assert swaps([*means(a=(1, 2)), Means("b", 0, None, None, Estimate(None, why="-"))]) is None


HOSTILE = "<script>alert(1)</script>\x1b[2J\x07\u202eevil\x9b31m \ud800 & \"'"


def calibration(n: int = 30, text: str = "fine") -> Calibration:
    """Return two subjects on ``n`` cases; the judge errs by up to 8 points and omits one case."""
    pairs = []
    for subject in ("base", "lek"):
        for i in range(n):
            case = Case(
                id=f"D{i:02d}",
                benchmark="do_not_answer",
                prompt=f"{text} asked {i}",
                reference={"risk_area": text},
            )
            response = Response(subject=subject, case=case.id, text=f"{text} said {i}")
            scores = {"safety": 1 + (i * 7) % 9, "nuance": 5}
            verdict = make_verdict(
                case, response, SAFETY, scores, judge="made-up", reason=f"{text} why"
            )
            if i == 0:
                verdict = unscored_verdict(
                    case, response, SAFETY, "invalid_reply", f"{text} is why not", judge="made-up"
                )
            recorded = {"safety": 1 + i % 9 + (subject == "lek") / 2, "nuance": 5.0}
            pairs.append(Pair(case, response, recorded, {"safety": f"{text} recorded"}, verdict))
    files = {"do_not_answer.jsonl": "ab" * 32, "verdicts": "cd" * 32}
    measures = {"do_not_answer": SAFETY}
    notes = (f"{text} note",)
    return Calibration("made-up", "data", "v.jsonl", files, 50, 0, measures, tuple(pairs), notes)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in a JSON value."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            yield from objects(part)


def test_the_json_document_gives_a_reason_for_each_missing_number() -> None:
    report = document(calibration(), {"do_not_answer": {"judge": "made-up", "votes": 3}})
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["schema"], report["judge"], report["seed"]) == (1, "made-up", 0)
    assert report["protocol"]["do_not_answer"]["votes"] == 3
    assert len(report["data"]["digest"]) == 64
    safety, nuance = report["measures"]
    assert (safety["n"], safety["unjudged"], safety["unrecorded"]) == (58, 2, 0)
    assert safety["why_unjudged"] == {"fine is why not": 2}
    assert safety["rho"]["low"] < safety["rho"]["value"] < safety["rho"]["high"]
    assert nuance["rho"]["value"] is None
    estimates = [v for v in objects(report) if "low" in v]
    assert len(estimates) == 8
    for estimate in estimates:
        assert (estimate["why"] is not None) == (None in (estimate["value"], estimate["low"]))
    assert safety["order"] == {
        "same": False,
        "why": None,
        "swapped": [{"higher": "lek", "lower": "base", "recorded": 0.5, "judged": 0.0}],
    }


def test_the_twenty_worst_cases_are_reported_in_full() -> None:
    long = "word " * 3_000
    result = calibration(text=long)
    worst = document(result, {})["worst"]
    assert len(worst) == WORST == 20
    differences = [abs(d["recorded"] - d["judged"]) for d in worst]
    assert differences == sorted(differences, reverse=True)
    all_differences = [abs(s[0] - s[1]) for p in result.pairs if (s := p.scores("safety"))]
    assert differences == sorted(all_differences, reverse=True)[:20]
    first = worst[0]
    assert first["prompt"].startswith(long)
    assert first["answer"].startswith(long)
    assert first["recorded_reason"] == f"{long} recorded"
    assert first["judged_reason"] == f"{long} why"
    assert first["reference"] == {"risk_area": long}
    assert page(result, {}).count(long) >= 20 * 5
    assert page(result, {}).count("<details>") == 20


def test_one_subject_has_no_order() -> None:
    both = calibration()
    one = Calibration(**{**vars(both), "pairs": both.pairs[:10]})
    (order,) = {json.dumps(m["order"]) for m in document(one, {})["measures"]}
    assert json.loads(order)["same"] is None
    assert "fewer than two" in json.loads(order)["why"]
    assert "order of subjects: unknown: fewer than two" in "\n".join(lines(one))


def test_untrusted_text_is_escaped_in_html() -> None:
    html = page(calibration(text=HOSTILE), {"x": HOSTILE})
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not [c for c in html if not c.isprintable() and c != "\n"]
    assert "http" not in html.replace("http-equiv", "")
    html.encode()


def test_json_and_terminal_text_have_no_control_characters() -> None:
    result = calibration(text=HOSTILE)
    text = json.dumps(document(result, {"x": HOSTILE}), ensure_ascii=False)
    assert not [c for c in text if not c.isprintable()]
    for line in lines(result):
        assert line.isprintable()


def test_letters_of_all_scripts_are_kept() -> None:
    text = "naïve 中文 العربية नमस्ते 👩\u200d🔬 x<y>z"
    worst = document(calibration(text=text), {})["worst"][0]
    assert worst["prompt"].startswith(text)


@pytest.mark.parametrize("width", [60, 80])
def test_terminal_lines_fit_the_width(width: int) -> None:
    report = lines(calibration(text="word " * 100), width)
    assert max(map(len, report)) <= width
    text = "\n".join(report)
    assert "do_not_answer.safety  n=58, left out: 2 unjudged" in text
    assert "order of subjects: NOT the same" in text
    assert "lek over base: recorded +0.50, judge +0.00" in text
    assert "Spearman none (all answers have the same score on one side)" in " ".join(text.split())
    assert "the 20 furthest apart" in text
    assert len(report) < 120


def test_pending_answers_are_reported() -> None:
    result = calibration()
    first = result.pairs[0]
    assert first.verdict is not None
    pending = unscored_verdict(
        first.case, first.response, SAFETY, "judge_unavailable", "overloaded", judge="made-up"
    )
    pairs = (Pair(first.case, first.response, first.recorded, {}, pending), *result.pairs[1:])
    incomplete = Calibration(**{**vars(result), "pairs": pairs})
    assert "1 answers could not be judged" in "\n".join(lines(incomplete))
    assert "1 answers could not be judged" in page(incomplete, {})
    assert "could not be judged" not in page(result, {})


def test_scores_may_be_fractional() -> None:
    cases, scores = random_scores(30, 1)
    thirds = [(r + 1 / 3, j) for r, j in scores]
    estimate = kappa(cases, thirds, **OPTIONS)
    assert estimate.value == pytest.approx(kappa_by_matrix(scores))
    assert math.isfinite(estimate.low or math.nan)
