"""A judge against recorded verdicts: correlation, kappa, order, what is left out, and the table."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lek.agreement import Means, kappa, same_order, spearman
from lek.calibrate import calibrate, lines
from lek.records import BadInput, Case, Response, Verdict
from lek.scoring import score, unscored

N = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve do_not_answer cases with two models; ``b`` is a point above ``a`` throughout."""
    cases = [f"D{i:02d}" for i in range(N)]
    rows = [{"id": c, "question": f"How do I do harm {c}?"} for c in cases]
    write(tmp_path / "do_not_answer.jsonl", rows)
    table = {}
    for model, above in (("a", 0), ("b", 1)):
        answers = [{"id": c, "response": f"{model} says {i}"} for i, c in enumerate(cases)]
        write(tmp_path / "results" / f"do_not_answer_{model}.jsonl", answers)
        table[model] = {
            c: {"safety": 1 + (i % 8) + above, "nuance": 5} for i, c in enumerate(cases)
        }
    (tmp_path / "standard_scores.json").write_text(json.dumps({"scores": {"do_not_answer": table}}))
    return tmp_path


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def judge(rule: Callable[[int, str], object]) -> Callable[[Case, Response], Verdict]:
    """A judge whose safety is ``rule(number of the case, model)`` and whose nuance is 5."""

    def give(case: Case, response: Response) -> Verdict:
        value = rule(int(case.id[1:]), response.subject)
        if value is None:
            return unscored(case, response, "cannot tell", judge="made-up")
        given = {"safety": value, "nuance": 5}
        return score(case, response, given, judge="made-up", reason="because " * 40)

    return give


def recorded(i: int, model: str) -> int:
    return 1 + i % 8 + (model == "b")


def test_a_judge_that_repeats_the_record(data: Path) -> None:
    result = calibrate(judge(recorded), data, resamples=50)
    assert result.judge == "made-up"
    safety, nuance = result.agreements
    assert (safety.n, safety.unrecorded, safety.unjudged) == (2 * N, 0, 0)
    assert safety.spearman == pytest.approx(1)
    assert safety.low == pytest.approx(1)
    assert safety.kappa == 1
    assert safety.same_order is True
    assert safety.worst == ()
    assert [m.recorded for m in safety.means] == [m.judged for m in safety.means]
    assert (nuance.spearman, nuance.low, nuance.kappa) == (None, None, None)
    assert nuance.same_order is True


def test_a_judge_that_turns_it_round(data: Path) -> None:
    safety, _ = calibrate(judge(lambda i, m: 10 - recorded(i, m)), data, resamples=50).agreements
    assert safety.spearman == pytest.approx(-1)
    assert safety.kappa is not None
    assert safety.kappa < 0
    assert safety.same_order is False
    worst = safety.worst[0]
    assert abs(worst.recorded - worst.judged) == 8
    assert worst.prompt.startswith("How do I do harm D")
    assert worst.answer.startswith(f"{worst.subject} says")
    assert max(len(worst.reason), len(worst.prompt)) <= 160


def test_what_either_side_left_unscored_is_counted_and_left_out(data: Path) -> None:
    table = json.loads((data / "standard_scores.json").read_text())
    del table["scores"]["do_not_answer"]["a"]["D00"]
    table["scores"]["do_not_answer"]["a"]["D01"]["safety"] = 99
    (data / "standard_scores.json").write_text(json.dumps(table))
    answers = data / "results" / "do_not_answer_b.jsonl"
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:-1]))
    rule = judge(lambda i, m: None if i == 5 else recorded(i, m))
    safety, nuance = calibrate(rule, data, resamples=50).agreements
    assert (safety.n, safety.unrecorded, safety.unjudged) == (2 * N - 5, 2, 3)
    assert (nuance.n, nuance.unrecorded, nuance.unjudged) == (2 * N - 4, 1, 3)
    assert safety.spearman == pytest.approx(1)
    assert [m.n for m in safety.means] == [N - 3, N - 2]


def test_a_judge_that_scores_nothing(data: Path) -> None:
    result = calibrate(judge(lambda i, m: None), data, resamples=50)
    safety, _ = result.agreements
    assert (safety.n, safety.spearman, safety.kappa, safety.same_order) == (0, None, None, None)
    assert [(m.recorded, m.judged) for m in safety.means] == [(None, None)] * 2
    assert "Spearman none" in "\n".join(lines(result))


def test_subjects_and_benchmarks_may_be_named(data: Path) -> None:
    named = {"base": "a", "lek": "b", "gone": "c"}
    rule = judge(lambda i, m: recorded(i, "b" if m == "lek" else "a"))
    safety, _ = calibrate(
        rule, data, subjects=named, benchmarks=["do_not_answer"], resamples=50
    ).agreements
    assert [m.subject for m in safety.means] == ["base", "lek"]
    assert safety.spearman == pytest.approx(1)


def test_the_same_seed_gives_the_same_interval(data: Path) -> None:
    rule = judge(lambda i, m: 1 + (i * 5) % 9)
    first, again, other = (
        calibrate(rule, data, resamples=200, seed=seed).agreements[0] for seed in (1, 1, 2)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)
    assert first.low is not None
    assert first.spearman is not None
    assert first.high is not None
    assert first.low < first.spearman < first.high


def test_progress_is_told(data: Path) -> None:
    told: list[tuple[str, int, int]] = []
    calibrate(judge(recorded), data, resamples=50, progress=lambda *a: told.append(a))
    assert told[0] == ("judging do_not_answer", 1, 2 * N)
    assert told[-1] == ("judging do_not_answer", 2 * N, 2 * N)


def test_faults_are_told(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BadInput, match="toxgen: no such benchmark; one of"):
        calibrate(judge(recorded), data, benchmarks=["toxgen"])
    with pytest.raises(BadInput, match="nothing to compare"):
        calibrate(judge(recorded), data, benchmarks=["toxigen"])
    with pytest.raises(BadInput, match="nothing to compare"):
        calibrate(judge(recorded), data, subjects={"base": "nobody"})
    with pytest.raises(BadInput, match="cannot be read"):
        calibrate(judge(recorded), tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize("width", [60, 80])
def test_the_table(data: Path, width: int) -> None:
    shown = lines(calibrate(judge(lambda i, m: 10 - i % 8), data, resamples=50), width)
    assert max(map(len, shown)) <= width
    text = "\n".join(shown)
    assert "do_not_answer.safety  n=24" in text
    assert "order of subjects: NOT the same" in text
    assert "apart: " in text
    assert "weighted kappa" in " ".join(text.split())


def test_numbers_by_hand() -> None:
    cases = ["a", "b", "c", "d"]
    one = spearman(cases, [1, 2, 3, 4], [1, 2, 4, 3], resamples=50, seed=0)
    assert one.rho == pytest.approx(0.8)
    assert spearman(cases[:2], [1, 2], [1, 2], resamples=50, seed=0) == (None, None, None)
    assert spearman(cases, [1, 1, 1, 1], [1, 2, 3, 4], resamples=50, seed=0).rho is None
    assert kappa([1, 2, 3], [1, 2, 3]) == 1
    assert kappa([1, 3], [3, 1]) == pytest.approx(-1)
    assert kappa([1, 2, 3, 4], [2, 2, 3, 4]) == pytest.approx(1 - (1 / 4) / (32 / 16))
    assert kappa([], []) is None
    assert kappa([5, 5], [5, 5]) is None
    means = [Means("a", 3, 2.0, 5.0), Means("b", 3, 1.0, 6.0), Means("c", 0, None, None)]
    assert same_order(means) is False
    assert same_order([means[0], means[2]]) is None
    assert same_order([Means("a", 1, 1.0, 2.0), Means("b", 1, 1.0, 3.0)]) is False


def test_what_steers_a_terminal_is_not_printed(data: Path) -> None:
    path = data / "results" / "do_not_answer_a.jsonl"
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    for answer in answers:
        answer["response"] = f"\x1b[2J\x07{answer['response']}\x9b31m"
    write(path, answers)
    text = "\n".join(lines(calibrate(judge(lambda i, model: 1), data)))
    assert "a says" in text
    assert not [c for c in text if not c.isprintable() and c != "\n"]
