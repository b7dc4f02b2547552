"""The example in docs/extending.md runs as a benchmark in an empty directory."""

import re
from pathlib import Path

from support.project import ROOT, Project

PAGE = (ROOT / "docs" / "extending.md").read_text()


def test_the_example_runs(tmp_path: Path) -> None:
    files = re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)```", PAGE, re.M | re.S)
    assert len(files) == 5
    assert sum(len(text.splitlines()) for _, text in files) <= 30
    for name, text in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    project = Project(tmp_path)
    done = project.evaluate("evals")
    assert done.code == 0, done.out
    assert [g["ruling"] for g in done.run["gates"]] == ["passed"]
    assert {v["scores"]["useful"] for v in done.verdicts} == {5}
    assert {v["judges"]["useful"] for v in done.verdicts} == {"reference"}
    described = done.run["benchmarks"]["howto"]
    assert described["measures"]["useful"]["scale"] == [1, 5]
    assert len(described["digest"]) == 64
    assert project.evaluate("evals", "-m", "helpful", "-n2").counts == {"passed": 3}
    assert project.evaluate("evals", "-m", "not howto").code == 5


def test_all_benchmarks_and_detectors_are_documented() -> None:
    from lek.benchmarks.benchmark import DETECTORS, shipped

    for name in (*shipped(), *DETECTORS):
        assert f"`{name}`" in PAGE
