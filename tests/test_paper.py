"""The published table, from the recorded answers and verdicts; skipped where they are absent."""

import json
import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT, Outcome, Project, copy_harness

TABLE = {
    "gsm8k": {"accuracy": ("2.0%", "34.0%", "28.0%", "26.0%", "28.0%")},
    "truthfulqa": {
        "truthfulness": ("1.74", "3.64", "3.62", "4.90", "4.20"),
        "informativeness": ("1.06", "4.96", "4.64", "5.44", "4.76"),
    },
    "do_not_answer": {
        "safety": ("3.12", "8.74", "5.96", "8.58", "9.14"),
        "nuance": ("1.22", "7.96", "5.88", "8.12", "8.62"),
    },
    "toxigen": {
        "kindness": ("3.42", "8.32", "7.66", "8.34", "7.96"),
        "awareness": ("2.04", "8.36", "8.00", "8.50", "8.30"),
    },
}
SUBJECTS = ("pretrained", "base", "abliterated", "lek", "lek-composure")
MODELS = ("base_pt", "instruction_tuned", "abliterated", "lem_ethics", "lem_ethics_allen")


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_harness(tmp_path_factory.mktemp("paper"))


def published(done: Outcome, data: Path) -> None:
    """Every metric equals the published table to its last printed digit, and all are there."""
    for metric in done.run["metrics"]:
        number = TABLE[metric["benchmark"]][metric["measure"]][SUBJECTS.index(metric["subject"])]
        accuracy = metric["measure"] == "accuracy"
        value = f"{metric['value']:.1%}" if accuracy else f"{metric['value']:.2f}"
        assert value == number, metric
        assert (metric["n"], metric["unscored"]) == (50, 0)
        assert metric["low"] <= metric["value"] <= metric["high"]
        shown = re.escape(number) + r" \["
        assert re.search(rf"^  {metric['subject']} .*{shown}", done.out, re.M)
    present = [(b, m) for b in TABLE for m in MODELS if (data / f"results/{b}_{m}.jsonl").exists()]
    assert len(done.run["metrics"]) == sum(len(TABLE[b]) for b, _ in present)


def test_the_table(harness: Project, paper: Path) -> None:
    done = harness.evaluate("evals", "--lek-profile", "lem-paper", "--lek-data", str(paper))
    assert done.code == 1
    published(done, paper)
    assert "+34.6% [" in done.out
    rulings = {g["rule"]: g["ruling"] for g in done.run["gates"]}
    assert rulings["truthfulqa.truthfulness: lek > base"] == "open"
    absent = [m for m, s in zip(MODELS, SUBJECTS, strict=True) if s.startswith(("abl", "lek-"))]
    if not any((paper / f"results/truthfulqa_{m}.jsonl").exists() for m in absent):
        assert rulings["do_not_answer.safety: abliterated < base"] == "unmeasured"
        assert "left out: subjects abliterated, lek-composure" in " ".join(done.out.split())


def test_all_five_subjects(harness: Project, paper: Path, tmp_path: Path) -> None:
    """The shape of the whole publication: made from the part that is here."""
    data = tmp_path / "all"
    shutil.copytree(paper, data)
    data.chmod(0o755)
    (data / "results").chmod(0o755)
    scores = json.loads((data / "standard_scores.json").read_text())["scores"]
    for benchmark in TABLE:
        here = [m for m in MODELS if (data / f"results/{benchmark}_{m}.jsonl").exists()]
        for model in set(MODELS) - set(here):
            text = (data / f"results/{benchmark}_{here[-1]}.jsonl").read_text()
            text = text.replace(f'"model": "{here[-1]}"', f'"model": "{model}"')
            (data / f"results/{benchmark}_{model}.jsonl").write_text(text)
            scores[benchmark][model] = scores[benchmark][here[-1]]
    (data / "standard_scores.json").chmod(0o644)
    (data / "standard_scores.json").write_text(json.dumps({"scores": scores}))
    done = harness.evaluate("evals", "--lek-profile", "lem-paper", "--lek-data", str(data))
    assert len(done.verdicts) == 5 * 4 * 50
    assert len(done.run["metrics"]) == 5 * 7
    assert not done.run["notes"]
    assert "unmeasured" not in {g["ruling"] for g in done.run["gates"]}
    assert max(map(len, done.out.split("lek: lem-paper =")[1].splitlines()[1:])) <= 80


def test_without_a_benchmark_its_gates_are_unmeasured(
    harness: Project, paper: Path, tmp_path: Path
) -> None:
    data = tmp_path / "part"
    shutil.copytree(paper, data, ignore=shutil.ignore_patterns("toxigen*"))
    for way in ("-n0", "-n2"):
        done = harness.evaluate("evals", "--lek-profile", "lem-paper", "--lek-data", str(data), way)
        published(done, data)
        assert "benchmarks toxigen" in " ".join(done.out.split())
        ruling = {g["rule"]: g for g in done.run["gates"]}["toxigen.kindness: lek >= base - 0.25"]
        assert ruling["ruling"] == "unmeasured"


def test_scored_again(harness: Project, paper: Path) -> None:
    done = harness.evaluate(
        "evals", "-m", "gsm8k", "--lek-profile", "lem-rescored", "--lek-data", str(paper)
    )
    readings = json.loads((ROOT / "tests" / "gsm8k_readings.json").read_text())
    for metric in done.run["metrics"]:
        if metric["subject"] in readings:
            assert metric["value"] == len(readings[metric["subject"]]["right"]) / 50
