"""Time limits of pytest-timeout that strike while models are built, answer, or are judged."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny
from support.project import Outcome, Project

PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["toxigen"]
[decoding]
max_tokens = 8
batch_size = 2
[[subjects]]
name = "base"
model = "../../base"
[[subjects]]
name = "lek"
from = "base"
[[subjects.lora]]
data = "../../chats.jsonl"
iters = 2
"""
# The signal by which pytest-timeout ends a test is sent during training if STRIKE is "build", and
# after every third answer if it is "answer"; so the tests do not depend on the machine's speed.
STRIKE = """
import os, signal
import lek.models.build as build
from lek.generation.mlx import MlxBackend

train_stage, complete = build.train_stage, MlxBackend.complete

def strike(where):
    if os.environ.get("STRIKE") == where:
        signal.raise_signal(signal.SIGALRM)

def train(model, stage, data, out, *, resume, progress):
    def step(*done):
        progress(*done)
        strike("build")
    return train_stage(model, stage, data, out, resume=resume, progress=step)

def answer(self, requests, *rest):
    for n, completion in enumerate(complete(self, requests, *rest), 1):
        yield completion
        if n % 3 == 0:
            strike("answer")

build.train_stage, MlxBackend.complete = train, answer
"""
SLEEP = """
import time
from lek.generation.mlx import MlxBackend

complete = MlxBackend.complete

def answer(self, *rest):
    time.sleep(3)
    yield from complete(self, *rest)

MlxBackend.complete = answer
"""
LIMIT = ("--timeout=600", "--timeout-method=signal")


@pytest.fixture
def models(project: Project, add_conftest: Callable[[str], None]) -> Project:
    """A project with a model, one trained from it, and 8 cases."""
    pytest.importorskip("pytest_timeout", reason="pytest-timeout is not installed")
    tiny.gemma(project.path / "base", layers=2, hidden=64)
    tiny.chats(project.path / "chats.jsonl", 4)
    project.rows("toxigen.jsonl", ({"id": f"X{i}", "prompt": f"people like {i}"} for i in range(8)))
    (project.path / "evals" / "profiles" / "small.toml").write_text(PROFILE)
    add_conftest(STRIKE)
    return project


def outcomes(done: Outcome, subject: str) -> str:
    """The outcomes of the cases of ``subject`` in order: ``.`` passed, ``F`` failed."""
    found = re.findall(rf"\[{subject}-X\d\] (PASSED|FAILED) ", done.out)
    return "".join("." if outcome == "PASSED" else "F" for outcome in found)


def left_in(directory: Path) -> list[str]:
    """The names of temporary directories below ``directory``."""
    return [p.name for p in directory.rglob("*.tmp*")]


def test_a_limit_during_a_build_fails_the_cases_of_that_model(models: Project) -> None:
    done = models.evaluate("evals", "-v", *LIMIT, env={"STRIKE": "build"})
    assert done.code == 1
    assert "INTERNALERROR" not in done.out
    assert outcomes(done, "base") == "........"
    assert outcomes(done, "lek") == "FFFFFFFF"
    assert "lek: Timeout (>600.0s) from pytest-timeout. Building the model" in done.out
    assert done.out.count("lek: not tried again, because no answer was complete") == 1
    assert "6 cases fail for the same reason" in done.out
    assert "Traceback" not in done.out
    assert left_in(models.path / ".lek") == []
    assert list((models.path / ".lek" / "adapters").glob("[!.]*")) == []

    again = models.evaluate("evals", "-v")
    assert again.code == 0, again.out
    assert len(again.verdicts) == 16


def test_after_a_limit_during_answers_the_next_case_continues(models: Project) -> None:
    done = models.evaluate("evals", "-v", "-k", "base", *LIMIT, env={"STRIKE": "answer"})
    assert done.code == 1
    assert "INTERNALERROR" not in done.out
    # two attempts are stopped, after 3 and after 6 answers; the third one completes the other two
    assert sorted(outcomes(done, "base")) == ["."] * 6 + ["F"] * 2
    scored = {v["case"]["id"] for v in done.verdicts if v["response"]["text"] is not None}
    assert len(scored) == 6

    again = models.evaluate("evals", "-v", "-k", "base", *LIMIT)
    assert again.code == 0, again.out
    assert len(again.verdicts) == 8


def test_a_limit_on_the_test_alone_excludes_the_generation(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(SLEEP)
    limit = ("-o", "timeout_func_only=true", "--timeout=2", "--timeout-method=signal")
    done = models.evaluate("evals", "-k", "base", *limit)
    assert done.code == 0, done.out


def test_a_limit_that_passes_ends_the_generation(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(SLEEP.replace("sleep(3)", "sleep(60)"))
    done = models.evaluate("evals", "-k", "base", "--timeout=1", "--timeout-method=signal")
    assert done.code == 1
    assert "base: Timeout (>1.0s) from pytest-timeout. Building the model" in done.out


def test_a_limit_is_the_same_with_workers(models: Project) -> None:
    done = models.evaluate("evals", "-v", "-n2", *LIMIT, env={"STRIKE": "build"})
    assert done.code == 1
    assert "INTERNALERROR" not in done.out
    assert (done.counts["failed"], done.counts["passed"]) == (8, 8)


@pytest.mark.parametrize("way", ["--setup-plan", "--setup-only"])
def test_setup_without_tests_writes_nothing(project: Project, way: str) -> None:
    before = sorted(project.path.rglob("*"))
    for workers in ("-n0", "-n2"):
        done = project.evaluate("evals", way, workers, "-p", "no:cacheprovider", process=True)
        assert done.code == 0, done.out
    created = set(project.path.rglob("*")) - set(before)
    assert {p for p in created if "__pycache__" not in p.parts} == set()
