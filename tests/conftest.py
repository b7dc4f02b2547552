"""Fixtures: a project to evaluate, the published data, a directory that all workers share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import MODELS, PAPER, Project, copy_harness

if "PYTEST_XDIST_WORKER" in os.environ:  # OpenBLAS threads of several workers compete for cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary directory of this session that all xdist workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with 24 TruthfulQA cases, lek about two points above base, and gates that pass."""
    project = copy_harness(tmp_path)
    base = [3 + i % 4 for i in range(24)]
    project.truthfulqa(
        {MODELS["base"]: base, MODELS["lek"]: [s + 2 + (i % 5 == 0) for i, s in enumerate(base)]}
    )
    project.profile(
        "truthfulqa.truthfulness: lek > base", "truthfulqa.informativeness: lek >= base - 1"
    )
    return project


@pytest.fixture
def paper() -> Path:
    """The directory of published answers and verdicts; without it the test is skipped."""
    if not PAPER.is_dir():
        pytest.skip(f"no {PAPER.name} beside the project")
    return PAPER


@pytest.fixture
def add_conftest(project: Project) -> Callable[[str], None]:
    """A function that writes hooks to the project's ``evals/conftest.py``."""

    def add(code: str) -> None:
        (project.path / "evals" / "conftest.py").write_text(code)

    return add
