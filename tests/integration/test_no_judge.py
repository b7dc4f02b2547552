"""Runs without a judge: only measures that need none are scored; a note names the others."""

from pathlib import Path

import pytest
from support.project import Project

PROFILE = """
[data]
source = "lem"
dir = "../../data"
benchmarks = ["truthfulqa", "gsm8k"{more}]
[[subjects]]
name = "base"
recorded = "instruction_tuned"
[[subjects]]
name = "lek"
recorded = "lem_ethics"
[gates]
min_cases = 2
rules = [
    "truthfulqa.truthfulness: lek > base",
    "truthfulqa.coherent: lek >= base - 20%",
    "gsm8k.accuracy: lek >= base - 60%",
]
"""


@pytest.fixture
def unjudged(project: Project) -> Project:
    """A project with recorded answers to two benchmarks, and a profile without a judge."""
    ids = [f"G{i}" for i in range(4)]
    rows = [{"id": i, "question": "1+1?", "correct_answer": "2"} for i in ids]
    project.rows("gsm8k.jsonl", rows)
    for model in ("instruction_tuned", "lem_ethics"):
        answers = [{"id": i, "response": f"It is {n % 2 + 1}."} for n, i in enumerate(ids)]
        project.rows(f"results/gsm8k_{model}.jsonl", answers)
    profile(project)
    return project


def profile(project: Project, more: str = "") -> None:
    file = project.path / "evals" / "profiles" / "small.toml"
    file.write_text(PROFILE.replace("{more}", more))


def test_only_measures_that_need_no_judge_are_scored(unjudged: Project) -> None:
    done = unjudged.evaluate("evals")
    assert done.code == 0, done.out
    measured = {(m["benchmark"], m["measure"]) for m in done.run["metrics"]}
    assert measured == {("truthfulqa", "coherent"), ("gsm8k", "accuracy"), ("gsm8k", "coherent")}
    assert {v["judges"].get("accuracy") for v in done.verdicts} == {None, "exact"}
    rulings = {g["rule"]: g for g in done.run["gates"]}
    gate = rulings.pop("truthfulqa.truthfulness: lek > base")
    assert gate["ruling"] == "not selected"
    assert gate["why"] == "truthfulness needs a judge; choose one with --lek-judge"
    assert {g["ruling"] for g in rulings.values()} == {"passed"}
    note = "not measured without a judge: truthfulness, informativeness (truthfulqa)"
    assert [n for n in done.run["notes"] if note in n and "--lek-judge" in n]
    assert note in " ".join(done.out.split())


def test_lek_judge_does_not_replace_the_exact_judge(unjudged: Project) -> None:
    done = unjudged.evaluate("evals", "--lek-judge=recorded", "-m", "truthful")
    assert done.code == 0, done.out
    assert "no judge" not in done.out
    by = {m for v in done.verdicts for m in v["judges"].items()}
    assert ("truthfulness", "recorded") in by
    again = unjudged.evaluate("evals", "--lek-judge=none")
    assert {m["measure"] for m in again.run["metrics"]} == {"accuracy", "coherent"}


def test_a_benchmark_without_scorable_measures_is_skipped(
    unjudged: Project, tmp_path: Path
) -> None:
    folder = unjudged.path / "evals" / "poetry"
    folder.mkdir()
    (folder / "rhyme.md").write_text("## rhyme\n")
    (folder / "benchmark.toml").write_text(
        'name = "poetry"\nmarker = "verse"\njudges = ["llm", "recorded"]\n'
        '[measures.rhyme]\nsource = "judge"\nscale = [1, 5]\nrubric = "rhyme.md"\n'
    )
    (unjudged.path / "evals" / "test_poetry.py").write_text(
        "from lek import cases\n\n@cases('poetry')\n"
        "def test_poetry(case, subject, judge, record):\n"
        "    record(judge(case, subject.respond(case)))\n"
    )
    unjudged.rows("poetry.jsonl", [{"id": f"V{i}", "prompt": "a verse"} for i in range(3)])
    for model in ("instruction_tuned", "lem_ethics"):
        answers = [{"id": f"V{i}", "response": "roses"} for i in range(3)]
        unjudged.rows(f"results/poetry_{model}.jsonl", answers)
    profile(unjudged, ', "../poetry"')
    done = unjudged.evaluate("evals", "-rs")
    assert done.code == 0, done.out
    assert "poetry" not in {v["case"]["benchmark"] for v in done.verdicts}
    assert "rhyme (poetry); choose one with --lek-judge" in " ".join(done.out.split())
    assert "each measure of poetry needs a judge" in done.out
    only = unjudged.evaluate("evals", "-m", "verse", "--collect-only", "-q")
    assert "test_poetry" in only.out
