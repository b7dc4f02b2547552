"""Gates of a run on a part of the plan: not selected by choice, unmeasured for any other reason."""

from collections.abc import Callable
from typing import Any

import pytest
from support.project import MODELS, Outcome, Project

TRUTH = "truthfulqa.truthfulness: lek > base"
SUM = "gsm8k.accuracy: lek >= base - 50%"
CONTROL = "truthfulqa.truthfulness: abliterated < base"
ADVICE = "evaluate all of them, or ignore the gates with --lek-no-gates"


@pytest.fixture
def two(project: Project) -> Project:
    """Recorded answers of three subjects to two benchmarks, with gates that pass."""
    models = {**MODELS, "abliterated": "abliterated"}
    base = [3 + i % 4 for i in range(24)]
    project.truthfulqa(
        {
            models["base"]: base,
            models["lek"]: [s + 2 for s in base],
            models["abliterated"]: [s - 2 for s in base],
        }
    )
    ids = [f"G{i}" for i in range(24)]
    rows = [{"id": i, "question": "1+1?", "correct_answer": "2"} for i in ids]
    project.rows("gsm8k.jsonl", rows)
    for model in models.values():
        answers = [{"id": i, "response": f"It is {n % 2 + 1}."} for n, i in enumerate(ids)]
        project.rows(f"results/gsm8k_{model}.jsonl", answers)
    project.profile(TRUTH, SUM, CONTROL, benchmarks='"truthfulqa", "gsm8k"')
    profile = project.path / "evals" / "profiles" / "small.toml"
    subject = '[[subjects]]\nname = "abliterated"\nrecorded = "abliterated"\n'
    text = profile.read_text().replace("[judges]", f"{subject}[judges]")
    profile.write_text(text.replace('"recorded"\n[gates]', '"recorded"\ngsm8k = "exact"\n[gates]'))
    return project


def rulings(done: Outcome) -> dict[str, Any]:
    return {g["rule"]: (g["ruling"], g["why"]) for g in done.run["gates"]}


def flat(done: Outcome) -> str:
    return " ".join(done.out.split())


def test_a_complete_run_says_so(two: Project) -> None:
    done = two.evaluate("evals")
    assert done.code == 0, done.out
    assert {ruling for ruling, _ in rulings(done).values()} == {"passed"}
    assert "evaluated all 144 planned cases" in done.out
    counts = done.run["counts"]
    assert (counts["planned"], counts["evaluated"]) == (144, 144)


@pytest.mark.parametrize("way", [["-n0"], ["-n2"]])
@pytest.mark.parametrize(
    ("arguments", "left_out", "share"),
    [
        (["evals", "-k", "lek or base"], {CONTROL: "-k left out all cases of abliterated on"}, 96),
        (["evals", "-m", "truthful"], {SUM: "-m left out all cases of gsm8k"}, 72),
        (
            ["evals/test_truthfulqa.py"],
            {SUM: "the given paths left out all cases of gsm8k"},
            72,
        ),
        (
            ["evals", "-m", "truthful", "-k", "not abliterated"],
            {CONTROL: "-k left out all cases of abliterated", SUM: "-m left out all cases of"},
            48,
        ),
    ],
)
def test_what_the_user_leaves_out_does_not_count(
    two: Project, arguments: list[str], left_out: dict[str, str], share: int, way: list[str]
) -> None:
    done = two.evaluate(*arguments, *way)
    assert done.code == 0, done.out
    for rule, (ruling, why) in rulings(done).items():
        assert ruling == ("not selected" if rule in left_out else "passed")
        assert left_out.get(rule, "") in why
    assert f"evaluated {share} of 144 planned cases ({share / 144:.0%})" in flat(done)
    assert done.run["counts"]["evaluated"] == share


def test_a_test_id_leaves_out_the_other_subjects(two: Project) -> None:
    done = two.evaluate("evals/test_truthfulqa.py::test_truthfulqa[lek-T003]")
    assert done.code == 0, done.out
    reasons = {rule: why for rule, (_, why) in rulings(done).items()}
    assert reasons[TRUTH] == "the given paths left out all cases of base on truthfulqa"
    assert reasons[SUM] == "the given paths left out all cases of gsm8k"


@pytest.mark.parametrize(
    "selection",
    [
        ["-k", "T00"],
        ["-k", "not T003", "-n2", "--dist", "load"],
        ["--deselect", "evals/test_truthfulqa.py::test_truthfulqa[lek-T003]", "-n2"],
        ["--deselect", "evals/test_truthfulqa.py::test_truthfulqa[lek"],
    ],
)
def test_a_part_of_the_cases_leaves_a_gate_unmeasured(two: Project, selection: list[str]) -> None:
    done = two.evaluate("evals", *selection)
    assert done.code == 1, done.out
    ruling, why = rulings(done)[TRUTH]
    assert ruling == "unmeasured"
    assert " of 24 cases of lek on truthfulqa were evaluated; " in why or "of base" in why
    assert why.endswith(ADVICE)
    assert two.evaluate("evals", *selection, "--lek-no-gates").code == 0


def test_only_failed_tests_leave_the_gates_unmeasured(two: Project) -> None:
    (two.path / "evals" / "conftest.py").write_text(
        "import os\ndef pytest_runtest_call(item):\n"
        "    assert 'lek-T005' not in item.nodeid or os.environ.get('FIXED')\n"
    )
    assert two.evaluate("evals").code == 1
    again = two.evaluate("evals", "--lf", env={"FIXED": "1"})
    assert again.counts["passed"] == 1, again.out
    assert again.code == 1
    assert rulings(again)[TRUTH][1].startswith("1 of 24 cases of lek on truthfulqa were")
    assert rulings(again)[SUM][1].startswith("0 of 24 cases of lek on gsm8k were")
    assert "evaluated 1 of 144 planned cases (1%)" in again.out


DROP = """
import pytest

@pytest.hookimpl({when})
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if {kept}]
"""


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ("", "'[lek-T003]' not in item.nodeid"),
        ("tryfirst=True", "'[lek-T' not in item.nodeid"),
        ("trylast=True", "'[lek-T' not in item.nodeid"),
        ("", "'T0' not in item.name"),
    ],
)
def test_items_that_a_conftest_drops_leave_a_gate_unmeasured(
    two: Project, add_conftest: Callable[[str], None], when: str, kept: str
) -> None:
    add_conftest(DROP.format(when=when, kept=kept))
    done = two.evaluate("evals", "-k", "lek or base")
    assert done.code == 1, done.out
    ruling, why = rulings(done)[TRUTH]
    assert ruling == "unmeasured"
    assert "cases of lek on truthfulqa were evaluated" in why
    assert rulings(done)[CONTROL][0] == "not selected"


FILES = ["evals/test_truthfulqa.py", "evals/test_gsm8k.py"]


@pytest.mark.parametrize("arguments", [["evals"], FILES, ["evals", "-n2"], ["evals/../evals/"]])
@pytest.mark.parametrize(
    "line",
    [
        "import pytest\npytest.importorskip('no_such_module')\n",
        "__test__ = False\n",
        "import pytest\npytestmark = pytest.mark.skip(reason='today')\n",
        "import pytest\npytestmark = pytest.mark.usefixtures('no_such_fixture')\n",
    ],
)
def test_a_module_that_is_skipped_leaves_its_gates_unmeasured(
    two: Project, line: str, arguments: list[str]
) -> None:
    file = two.path / "evals" / "test_truthfulqa.py"
    file.write_text(line + file.read_text())
    done = two.evaluate(*arguments)
    assert done.code == 1, done.out
    assert rulings(done)[TRUTH][0] == rulings(done)[CONTROL][0] == "unmeasured"
    assert rulings(done)[TRUTH][1].startswith("0 of 24 cases of lek on truthfulqa were evaluated")
    assert rulings(done)[SUM][0] == "passed"


@pytest.mark.parametrize(
    "hook",
    [
        "collect_ignore = ['test_truthfulqa.py']\n",
        "def pytest_ignore_collect(collection_path):\n"
        "    return 'truthful' in collection_path.name or None\n",
    ],
)
def test_a_module_that_a_conftest_ignores_leaves_its_gates_unmeasured(
    two: Project, add_conftest: Callable[[str], None], hook: str
) -> None:
    add_conftest(hook)
    done = two.evaluate("evals")
    assert done.code == 1, done.out
    assert rulings(done)[TRUTH][0] == "unmeasured"
    assert two.evaluate("evals", "-m", "gsm8k").code == 1  # what the file has cannot be known


def test_a_planned_benchmark_without_a_test_is_unmeasured(two: Project) -> None:
    (two.path / "evals" / "test_truthfulqa.py").unlink()
    done = two.evaluate("evals")
    assert done.code == 1, done.out
    assert rulings(done)[TRUTH][0] == "unmeasured"


def test_a_sample_is_measured_with_a_note(two: Project) -> None:
    done = two.evaluate("evals", "--lek-limit", "22")
    assert done.code == 0, done.out
    note = "--lek-limit 22: metrics and gates are of 22 of 24 cases of truthfulqa, 22 of 24 cases"
    assert note in flat(done)
    assert any(n.startswith(note) for n in done.run["notes"])
    assert "evaluated all 132 planned cases" in done.out


def test_an_absent_subject_is_unmeasured(two: Project) -> None:
    (two.data / "results" / "truthfulqa_abliterated.jsonl").unlink()
    done = two.evaluate("evals")
    assert done.code == 1
    assert rulings(done)[CONTROL] == (
        "unmeasured",
        "the data have no answers of abliterated to truthfulqa",
    )
