"""Results do not depend on how the tests are run; gates do not pass if verdicts are lost."""

from collections.abc import Callable

import pytest
from support.project import Project

WAYS = {
    "n0": ["-n0"],
    "n2": ["-n2"],
    "load": ["-n2", "--dist", "load"],
    "worksteal": ["-n2", "--dist", "worksteal"],
    "no xdist": ["-p", "no:xdist"],
    "no cache": ["-p", "no:cacheprovider"],
    "no terminal": ["-p", "no:terminal"],
    "verbose": ["-v"],
}
SHUFFLE = """
import random

def pytest_collection_modifyitems(items):
    random.Random(7).shuffle(items)
"""
CRASH = """
import os, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    if "lek-T005" in item.nodeid:
        os._exit(3)
"""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_results_do_not_depend_on_pytest_options(project: Project, way: list[str]) -> None:
    plain = project.evaluate("evals")
    assert plain.code == 0, plain.out
    assert [g["ruling"] for g in plain.run["gates"]] == ["passed", "passed"]
    assert plain.counts["passed"] == 48 + 2
    assert plain.counts["skipped"] == 6  # the benchmarks that the profile does not have
    other = project.evaluate("evals", *way)
    assert other.findings == plain.findings, other.out
    stable = ("case", "response", "scores", "unscored", "reason", "judges")
    verdicts = [[{k: v[k] for k in stable} for v in o.verdicts] for o in (plain, other)]
    assert verdicts[0] == verdicts[1]


def test_results_do_not_depend_on_the_order_of_tests(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    plain = project.evaluate("evals")
    add_conftest(SHUFFLE)
    assert project.evaluate("evals").findings == plain.findings


@pytest.mark.parametrize(
    "way", [["-n2"], ["-n2", "--dist", "load"], ["-n2", "--max-worker-restart=0"]]
)
def test_a_crashed_worker_leaves_gates_unmeasured(
    project: Project, add_conftest: Callable[[str], None], way: list[str]
) -> None:
    add_conftest(CRASH)
    done = project.evaluate("evals", *way)
    assert done.code == 1, done.out
    assert {g["ruling"] for g in done.run["gates"]} == {"unmeasured"}
    assert "without a verdict" in done.out
    assert done.run["counts"]["lost"] >= 1
    assert any("lek-T005" in lost for lost in done.run["lost"])


def test_loadgroup_keeps_a_subject_on_one_worker(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import os, pathlib\n"
        "def pytest_runtest_call(item):\n"
        "    name = item.callspec.params['subject']\n"
        "    worker = os.environ['PYTEST_XDIST_WORKER']\n"
        "    pathlib.Path(f'ran-{name}-{worker}').touch()\n"
    )
    assert project.evaluate("evals", "-n2").code == 0
    files = sorted(p.name for p in project.path.glob("ran-*"))
    assert len(files) == 2
    assert {name.split("-")[1] for name in files} == {"base", "lek"}


def test_a_failed_gate_fails_with_and_without_xdist(project: Project) -> None:
    project.profile("truthfulqa.truthfulness: base > lek")
    for way in (["-n0"], ["-n2"], ["-p", "no:xdist"]):
        done = project.evaluate("evals", *way)
        assert done.code == 1, done.out
        assert done.run["gates"][0]["ruling"] == "failed"
        assert "the opposite was shown" in done.run["gates"][0]["why"]
        assert "FAILED gate::truthfulqa.truthfulness: base > lek" in done.out
        assert done.counts == {"passed": 48, "failed": 1, "skipped": 6}


def test_no_gates_leaves_the_exit_code_to_the_tests(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    project.profile("truthfulqa.truthfulness: base > lek")
    done = project.evaluate("evals", "--lek-no-gates")
    assert done.code == 0
    assert done.run["gates"][0]["ruling"] == "failed"
    assert "FAILED: " in done.out
    add_conftest("def pytest_runtest_call(item):\n    assert 'lek-T005' not in item.nodeid\n")
    assert project.evaluate("evals", "--lek-no-gates").code == 1
