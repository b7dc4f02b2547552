"""Fixtures: a project to evaluate, the published data, a directory that workers share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import MODELS, PAPER, Project, copy_harness

if "PYTEST_XDIST_WORKER" in os.environ:  # one core each: threads of OpenBLAS would compete
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of xdist share in this session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """24 TruthfulQA cases on which lek is about two points above base, and a gate that says so."""
    made = copy_harness(tmp_path)
    base = [3 + i % 4 for i in range(24)]
    made.truthfulqa(
        {MODELS["base"]: base, MODELS["lek"]: [s + 2 + (i % 5 == 0) for i, s in enumerate(base)]}
    )
    made.profile(
        "truthfulqa.truthfulness: lek > base", "truthfulqa.informativeness: lek >= base - 1"
    )
    return made


@pytest.fixture
def paper() -> Path:
    """The recorded answers of real models; without them the test is skipped."""
    if not PAPER.is_dir():
        pytest.skip(f"no {PAPER.name} beside the project")
    return PAPER


@pytest.fixture
def add_conftest(project: Project) -> Callable[[str], None]:
    """Put hooks of a test's own beside the project's benchmarks."""

    def add(code: str) -> None:
        (project.path / "evals" / "conftest.py").write_text(code)

    return add
