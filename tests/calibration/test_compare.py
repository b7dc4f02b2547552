"""Comparison of a judge with recorded verdicts and ratings: selection, omissions, errors."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.benchmarks import BENCHMARKS, NAMES, judged
from support.project import ROOT

from lek.calibration.agreement import Agreement, Calibration
from lek.calibration.compare import calibrate as compare
from lek.calibration.report import document, lines, swaps
from lek.errors import BadInput
from lek.judges.exact.judge import exact as exact_judge
from lek.records import Case, Response, Verdict, make_verdict, unscored_verdict

N = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve do_not_answer cases and two models; ``b`` scores one point above ``a`` throughout."""
    cases = [f"D{i:02d}" for i in range(N)]
    rows = [{"id": c, "question": f"How do I do harm {c}?"} for c in cases]
    write(tmp_path / "do_not_answer.jsonl", rows)
    table = {}
    for model, bonus in (("a", 0), ("b", 1)):
        answers = [{"id": c, "response": f"{model} says {i}"} for i, c in enumerate(cases)]
        write(tmp_path / "results" / f"do_not_answer_{model}.jsonl", answers)
        table[model] = {
            c: {"safety": 1 + (i % 8) + bonus, "nuance": 5} for i, c in enumerate(cases)
        }
    (tmp_path / "standard_scores.json").write_text(json.dumps({"scores": {"do_not_answer": table}}))
    return tmp_path


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def judge(rule: Callable[[int, str], object]) -> Callable[[Case, Response], Verdict]:
    """Return a judge that scores safety by ``rule(case number, model)`` and nuance as 5.

    Where ``rule`` returns None, the verdict is unscored.
    """

    def score(case: Case, response: Response) -> Verdict:
        value = rule(int(case.id[1:]), response.subject)
        if value is None:
            why = "cannot tell"
            return unscored_verdict(
                case, response, judged(case.benchmark), "invalid_reply", why, judge="made-up"
            )
        scores = {"safety": value, "nuance": 5}
        measures, reason = judged(case.benchmark), "because " * 40
        return make_verdict(case, response, measures, scores, judge="made-up", reason=reason)

    return score


def calibrate(
    judge: Callable[[Case, Response], Verdict],
    data: Path,
    benchmarks: Sequence[str] = NAMES[1:],
    **options: Any,
) -> Calibration:
    """Compare ``judge`` with the verdicts in ``data`` on all measures with a rubric."""
    measures = {name: judged(name) for name in benchmarks}
    return compare(judge, data, BENCHMARKS, measures, name="made-up", **options)


def exact(case: Case, response: Response) -> Verdict:
    return exact_judge(case, response, judged("gsm8k"))


def recorded(i: int, model: str) -> int:
    return 1 + i % 8 + (model == "b")


def same_order(a: Agreement) -> bool | None:
    swapped = swaps(a.means)
    return None if swapped is None else not swapped


def test_a_judge_that_repeats_the_recorded_scores(data: Path) -> None:
    result = calibrate(judge(recorded), data, resamples=50)
    assert (result.judge, result.directory) == ("made-up", data.name)
    safety, nuance = result.agreements
    assert (safety.n, safety.unrecorded, safety.unjudged) == (2 * N, 0, 0)
    assert safety.spearman == pytest.approx(1)
    assert safety.rho.low == pytest.approx(1)
    assert safety.kappa.value == 1
    assert same_order(safety) is True
    assert document(result, {})["worst"] == []
    assert [m.recorded for m in safety.means] == [m.judged for m in safety.means]
    assert (nuance.spearman, nuance.rho.low, nuance.kappa.value) == (None, None, None)
    assert same_order(nuance) is True


def test_a_judge_that_reverses_the_recorded_scores(data: Path) -> None:
    result = calibrate(judge(lambda i, m: 10 - recorded(i, m)), data, resamples=50)
    safety, _ = result.agreements
    assert safety.spearman == pytest.approx(-1)
    assert safety.kappa.value is not None
    assert safety.kappa.value < 0
    assert same_order(safety) is False
    worst = document(result, {})["worst"][0]
    assert abs(worst["recorded"] - worst["judged"]) == 8
    assert worst["prompt"].startswith("How do I do harm D")
    assert worst["answer"].startswith(f"{worst['subject']} says")
    assert worst["judged_reason"] == "because " * 40


def test_unscored_answers_of_either_side_are_counted_and_left_out(data: Path) -> None:
    table = json.loads((data / "standard_scores.json").read_text())
    del table["scores"]["do_not_answer"]["a"]["D00"]
    table["scores"]["do_not_answer"]["a"]["D01"]["safety"] = 99
    (data / "standard_scores.json").write_text(json.dumps(table))
    answers = data / "results" / "do_not_answer_b.jsonl"
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:-1]))
    sometimes = judge(lambda i, m: None if i == 5 else recorded(i, m))
    result = calibrate(sometimes, data, resamples=50)
    safety, nuance = result.agreements
    assert (safety.n, safety.unrecorded, safety.unjudged) == (2 * N - 5, 2, 3)
    assert (nuance.n, nuance.unrecorded, nuance.unjudged) == (2 * N - 4, 1, 3)
    assert safety.spearman == pytest.approx(1)
    assert [m.n for m in safety.means] == [N - 3, N - 2]
    reasons = document(result, {})["measures"][0]["why_unjudged"]
    assert reasons == {"cannot tell": 2, "no usable answer": 1}


def test_a_judge_that_scores_nothing(data: Path) -> None:
    result = calibrate(judge(lambda i, m: None), data, resamples=50)
    safety, _ = result.agreements
    assert (safety.n, safety.spearman, safety.kappa.value) == (0, None, None)
    assert same_order(safety) is None
    assert [(m.recorded, m.judged) for m in safety.means] == [(None, None)] * 2
    text = "\n".join(lines(result))
    assert "Spearman none (0 scored by both" in text
    assert "unjudged 24: cannot tell" in text


def test_all_answers_are_announced_before_the_first_is_judged(data: Path) -> None:
    events: list[tuple[str, str, str]] = []

    def announce(case: Case, response: Response) -> None:
        events.append(("announced", response.subject, case.id))

    def judge_and_log(case: Case, response: Response) -> Verdict:
        events.append(("judged", response.subject, case.id))
        return judge(recorded)(case, response)

    table = json.loads((data / "standard_scores.json").read_text())
    del table["scores"]["do_not_answer"]["a"]["D00"]
    (data / "standard_scores.json").write_text(json.dumps(table))
    calibrate(judge_and_log, data, announce=announce, resamples=50)
    half = len(events) // 2
    assert len(events) == 2 * (2 * N - 1)
    assert {kind for kind, *_ in events[:half]} == {"announced"}
    assert [answer for _, *answer in events[:half]] == [answer for _, *answer in events[half:]]
    assert ("judged", "a", "D00") not in events, "an answer without a recorded verdict was judged"


def test_published_models_get_short_subject_names(data: Path) -> None:
    table = json.loads((data / "standard_scores.json").read_text())["scores"]["do_not_answer"]
    for model, name in (("a", "lem_ethics"), ("b", "instruction_tuned")):
        (data / "results" / f"do_not_answer_{model}.jsonl").rename(
            data / "results" / f"do_not_answer_{name}.jsonl"
        )
        table[name] = table.pop(model)
    (data / "standard_scores.json").write_text(json.dumps({"scores": {"do_not_answer": table}}))
    safety, _ = calibrate(judge(lambda i, m: 1 + i % 8), data, resamples=50).agreements
    assert [m.subject for m in safety.means] == ["base", "lek"]
    assert [m.recorded for m in safety.means] == [58 / 12, 46 / 12]


def test_a_short_subject_name_in_use_is_not_given_twice(data: Path) -> None:
    table = json.loads((data / "standard_scores.json").read_text())["scores"]["do_not_answer"]
    for model, name in (("a", "base"), ("b", "instruction_tuned")):
        (data / "results" / f"do_not_answer_{model}.jsonl").rename(
            data / "results" / f"do_not_answer_{name}.jsonl"
        )
        table[name] = table.pop(model)
    (data / "standard_scores.json").write_text(json.dumps({"scores": {"do_not_answer": table}}))
    safety, _ = calibrate(judge(lambda i, m: 1 + i % 8), data, resamples=50).agreements
    assert [m.subject for m in safety.means] == ["base", "instruction_tuned"]


def test_progress_is_reported(data: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    calibrate(judge(recorded), data, resamples=50, progress=lambda *a: reports.append(a))
    assert reports[0] == ("judging", 1, 2 * N)
    assert reports[-1] == ("judging", 2 * N, 2 * N)


def test_missing_files_are_errors(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BadInput, match="nothing to compare"):
        calibrate(judge(recorded), data, benchmarks=["toxigen"])
    with pytest.raises(
        BadInput, match=r"contains neither standard_scores\.json nor verdicts\.jsonl"
    ):
        calibrate(judge(recorded), tmp_path_factory.mktemp("empty"))
    with pytest.raises(BadInput, match="cannot be read"):
        calibrate(judge(recorded), data, verdicts=data / "none.jsonl")


def test_accuracy_is_compared() -> None:
    data = ROOT / "sandbox" / "recorded"
    (accuracy,) = calibrate(exact, data, benchmarks=["gsm8k"], resamples=50).agreements
    assert (accuracy.measure, accuracy.n, accuracy.unrecorded) == ("accuracy", 60, 0)
    assert accuracy.kappa.value is not None
    assert accuracy.kappa.value > 0.5
    names = ["pretrained", "base", "abliterated", "lek", "lek-composure"]
    assert [m.subject for m in accuracy.means] == names


def test_published_gsm8k_means(paper: Path) -> None:
    (accuracy,) = calibrate(exact, paper, benchmarks=["gsm8k"], resamples=50).agreements
    assert [m.recorded for m in accuracy.means] == [0.02, 0.34, 0.28, 0.26, 0.28]


def row(case: int, subject: str, value: object, **other: object) -> dict[str, object]:
    rating = {"case": f"D{case:02d}", "subject": subject, "measure": "safety", "score": value}
    return rating | other


@pytest.fixture
def rated(data: Path) -> Path:
    """The cases and answers of ``data``, with ratings instead of published scores."""
    (data / "standard_scores.json").unlink()
    write(data / "verdicts.jsonl", (row(i, m, recorded(i, m)) for i in range(6) for m in "ab"))
    return data


def test_ratings_are_compared(rated: Path) -> None:
    judged_cases: list[str] = []

    def judge_and_log(case: Case, response: Response) -> Verdict:
        judged_cases.append(case.id)
        return judge(recorded)(case, response)

    result = calibrate(judge_and_log, rated, resamples=50)
    assert result.verdicts == "verdicts.jsonl"
    safety, nuance = result.agreements
    assert (safety.n, safety.unrecorded, safety.kappa.value) == (12, 12, 1)
    assert (nuance.n, nuance.unrecorded) == (0, 24)
    assert sorted(judged_cases) == sorted(f"D{i:02d}" for i in range(6) for _ in "ab")
    assert result.notes == ()


def test_the_mean_of_several_raters_counts(rated: Path) -> None:
    rows = [row(i, "a", 3, rater="x", reason="bad") for i in range(3)]
    rows += [row(i, "a", 6, rater="y", reason="good") for i in range(3)] + [row(0, "a", 9)]
    write(rated / "verdicts.jsonl", rows)
    result = calibrate(judge(lambda i, m: 4), rated, resamples=50)
    (means,) = result.agreements[0].means
    assert (means.subject, means.n, means.recorded) == ("a", 3, 5)
    (note,) = result.notes
    assert note.startswith("verdicts.jsonl: 3 raters; several ratings of one answer")
    report = document(result, {})
    assert report["worst"][0]["recorded_reason"] == "bad\ngood"
    assert report["notes"] == [note]


def test_the_mean_of_two_raters_on_accuracy(tmp_path: Path) -> None:
    write(
        tmp_path / "gsm8k.jsonl",
        ({"id": f"G{i}", "question": "2+2?", "correct_answer": "4"} for i in range(4)),
    )
    write(
        tmp_path / "results" / "gsm8k_m.jsonl", ({"id": f"G{i}", "response": "4"} for i in range(4))
    )
    ratings = (("x", True), ("y", 0))
    write(
        tmp_path / "verdicts.jsonl",
        (
            {"case": f"G{i}", "subject": "m", "measure": "accuracy", "score": v, "rater": r}
            for i in range(4)
            for r, v in ratings
        ),
    )
    (accuracy,) = calibrate(exact, tmp_path, benchmarks=["gsm8k"], resamples=50).agreements
    assert (accuracy.means[0].recorded, accuracy.means[0].judged) == (0.5, 1)


def test_ratings_may_use_published_or_short_subject_names(rated: Path) -> None:
    (rated / "results" / "do_not_answer_a.jsonl").rename(
        rated / "results" / "do_not_answer_instruction_tuned.jsonl"
    )
    rows = [row(0, "base", 3), row(1, "instruction_tuned", 4)]
    write(rated / "verdicts.jsonl", rows)
    (means,) = calibrate(judge(lambda i, m: 4), rated, resamples=50).agreements[0].means
    assert (means.subject, means.n) == ("base", 2)
    write(rated / "verdicts.jsonl", [*rows, row(0, "instruction_tuned", 3)])
    with pytest.raises(BadInput, match="lines 1 and 3"):
        calibrate(judge(lambda i, m: 4), rated, resamples=50)


def test_two_files_of_verdicts_require_a_choice(data: Path, tmp_path: Path) -> None:
    write(data / "verdicts.jsonl", [row(i, "a", 3) for i in range(4)])
    with pytest.raises(
        BadInput, match=r"contains both standard_scores\.json and verdicts\.jsonl; choose"
    ):
        calibrate(judge(recorded), data)
    published = calibrate(judge(recorded), data, verdicts=data / "standard_scores.json")
    assert published.agreements[0].n == 2 * N
    ratings = calibrate(judge(recorded), data, verdicts=data / "verdicts.jsonl")
    assert ratings.agreements[0].n == 4
    elsewhere = tmp_path / "else" / "where.jsonl"
    write(elsewhere, [row(i, "a", 3) for i in range(4)])
    elsewhere.write_text(elsewhere.read_text() + '{"case')
    result = calibrate(judge(recorded), data, verdicts=elsewhere)
    assert result.notes == ("where.jsonl: line 5: cut off; left out",)
    text = json.dumps(document(result, {}))
    assert str(tmp_path) not in text
    assert str(data.parent) not in text


def test_ratings_of_other_benchmarks_are_left_out_with_a_note(rated: Path) -> None:
    other = {"case": "G1", "subject": "a", "measure": "accuracy", "score": 1}
    write(rated / "verdicts.jsonl", [row(0, "a", 3), other, {**other, "case": "G2"}])
    result = calibrate(judge(recorded), rated, resamples=50)
    assert result.notes == (
        "verdicts.jsonl: 2 on accuracy ignored: the judge does not score this measure",
    )


def test_only_the_last_line_may_be_truncated(rated: Path) -> None:
    path = rated / "verdicts.jsonl"
    ratings = path.read_text()
    path.write_text(ratings + '{"case": "D07", "subj')
    result = calibrate(judge(recorded), rated, resamples=50)
    assert result.agreements[0].n == 12
    assert result.notes == ("verdicts.jsonl: line 13: cut off; left out",)
    path.write_text(ratings + '{"case": "D07", "subj\n' + ratings)
    with pytest.raises(BadInput, match=r"verdicts.jsonl: line 13: not JSON"):
        calibrate(judge(recorded), rated)
    path.write_text(ratings.rstrip("\n"))
    assert calibrate(judge(recorded), rated, resamples=50).agreements[0].n == 12


RUN_VERDICT = {"case": {"id": "D00"}, "response": {}, "scores": {"safety": 3}, "judges": {}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row(0, "a", 11), "safety is 11, outside 1-10; scores must be in 1-10"),
        (row(0, "a", 0), "safety is 0, outside 1-10"),
        (row(0, "a", "7"), "safety is '7', not a number"),
        (row(0, "a", None), "safety is None, not a number"),
        (row(0, "a", True), "safety is True, not a number"),
        (row(0, "a", float("nan")), "safety is nan, outside 1-10"),
        (row(0, "a", [7]), "safety is of type list, not a number"),
        (row(99, "a", 3), "case is 'D99': not in the data"),
        (row(0, "c", 3), "subject is 'c': not in the data; there are a, b"),
        (row(0, "a", 3) | {"measure": "safty"}, "measure is 'safty'"),
        (row(0, "a", 3) | {"measure": "kindness"}, "case is 'D00': not in"),
        (row(0, "a", 3, ratr="x"), 'unknown field `ratr`; expected {"case": id'),
        (row(0, "a", 3, rater=7), "Expected `str | null`, got `int` - at `$.rater`"),
        ({"case": "D00", "subject": "a", "measure": "safety"}, "required field `score`"),
        (RUN_VERDICT, "line 2: a line of a run's own verdicts.jsonl, which has other keys"),
        ([1], "a JSON list; expected an object"),
        (None, "a JSON null; expected an object"),
        (row(1, "a", 3), "lines 1 and 2 score the same answer; keep one"),
        (row(1, "a", 5, rater=None), "lines 1 and 2 score the same answer; keep one"),
    ],
)
def test_errors_in_ratings_are_one_line(rated: Path, line: Any, message: str) -> None:
    write(rated / "verdicts.jsonl", [row(1, "a", 3), line, row(2, "a", 3)])
    with pytest.raises(BadInput) as raised:
        calibrate(judge(recorded), rated)
    error = str(raised.value)
    assert message in error
    assert error.startswith(f"{rated / 'verdicts.jsonl'}: line")
    assert "\n" not in error


def test_a_repeated_key_is_an_error(rated: Path) -> None:
    text = json.dumps(row(0, "a", 3)).replace('"score": 3', '"score": 3, "score": 4')
    (rated / "verdicts.jsonl").write_text(text + "\n")
    with pytest.raises(BadInput, match=r"line 1: .score. is given twice; keep one"):
        calibrate(judge(recorded), rated)


def test_control_characters_are_not_printed(data: Path) -> None:
    path = data / "results" / "do_not_answer_a.jsonl"
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    for answer in answers:
        answer["response"] = f"\x1b[2J\x07{answer['response']}\x9b31m"
    write(path, answers)
    text = "\n".join(lines(calibrate(judge(lambda i, model: 1), data, resamples=50)))
    assert "a says" in text
    assert not [c for c in text if not c.isprintable() and c != "\n"]
