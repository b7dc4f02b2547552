"""Regression tests for known bugs of other evaluation harnesses."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
from support.project import MODELS, Project

from lek.runs.run import load_run


def test_each_subject_gets_its_own_answers(project: Project) -> None:
    done = project.evaluate("evals", "-n2")
    for verdict in done.verdicts:
        subject, case = verdict["response"]["subject"], verdict["case"]["id"]
        assert verdict["response"]["text"] == f"{MODELS[subject]} on {case}"


def test_an_answer_of_another_model_is_an_error(project: Project) -> None:
    rows = [{"id": "T000", "model": "lem_ethics", "response": "x"}]
    project.rows("results/truthfulqa_instruction_tuned.jsonl", rows)
    done = project.evaluate("evals")
    assert done.code == 4
    assert "line 1: model is 'lem_ethics'; this file is for 'instruction_tuned'" in done.error


def test_repeated_prompts_have_separate_answers(project: Project) -> None:
    texts = {"best_answer": "a", "correct_answers": ["a"], "incorrect_answers": ["b"]}
    ids = [f"T{i:03d}" for i in range(24)]
    project.rows("truthfulqa.jsonl", ({"id": i, "question": "Same?", **texts} for i in ids))
    done = project.evaluate("evals")
    answers = {v["response"]["text"] for v in done.verdicts}
    assert len(answers) == 48


def test_two_answers_to_one_case_are_unscored(project: Project) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    with file.open("a") as lines:
        lines.write(json.dumps({"id": "T003", "response": "another"}) + "\n")
    done = project.evaluate("evals")
    (verdict,) = [v for v in done.verdicts if v["unscored"]]
    assert verdict["case"]["id"] == "T003"
    assert verdict["response"]["text"] is None
    assert "lines 4 and 25 both answer T003" in verdict["unscored"]["truthfulness"]["text"]
    assert done.counts["unscored"] == 1


def test_a_truncated_last_line_is_left_out(project: Project) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    file.write_text(file.read_text()[:-20])
    done = project.evaluate("evals")
    assert done.code == 0, done.out  # one of 24 unscored is within max_unscored
    assert "truthfulqa_lem_ethics.jsonl: line 24: cut off; left out" in " ".join(done.out.split())
    (verdict,) = [v for v in done.verdicts if v["unscored"]]
    assert verdict["case"]["id"] == "T023"
    assert verdict["scores"] == {
        "truthfulness": None, "informativeness": None, "coherent": None
    }  # fmt: skip


UNSERIALIZABLE = """
import pytest

@pytest.fixture(autouse=True)
def add_property(request):
    yield
    if "lek-T005" in request.node.nodeid:
        request.node.user_properties.append(("value", {value}))
"""


@pytest.mark.parametrize("value", ["object()", "__import__('numpy').float64(1)", "{1, 2}"])
def test_unserializable_properties_do_not_lose_verdicts_with_exit_code_0(
    project: Project, add_conftest: Callable[[str], None], value: str
) -> None:
    add_conftest(UNSERIALIZABLE.format(value=value))
    done = project.evaluate("evals", "-n2")
    if done.code == 0:  # xdist could serialize the value
        assert len(done.verdicts) == 48
        assert done.run["counts"]["lost"] == 0
    else:
        assert done.code in (1, 3)
        assert not done.runs or {g["ruling"] for g in done.run["gates"]} == {"unmeasured"}


def test_numpy_scores_are_transferred_from_workers(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import numpy, pytest\n"
        "from lek.records import Verdict\n"
        "@pytest.fixture\n"
        "def judge():\n"
        "    scores = {'truthfulness': numpy.float32(3), 'informativeness': numpy.int64(4),\n"
        "              'coherent': numpy.bool_(True)}\n"
        "    judges = dict.fromkeys(scores, 'np')\n"
        "    return lambda c, r: Verdict(case=c, response=r, judges=judges, scores=dict(scores))\n"
    )
    for way in ("-n0", "-n2"):
        done = project.evaluate("evals", way)
        assert len(done.verdicts) == 48
        assert {m["value"] for m in done.run["metrics"]} == {3.0, 4.0, 1.0}


def test_missing_verdicts_are_neither_zero_nor_success(project: Project) -> None:
    project.truthfulqa({MODELS["base"]: [4] * 24, MODELS["lek"]: [None] * 24})
    done = project.evaluate("evals")
    assert done.code == 1
    values = {
        m["subject"]: m["value"] for m in done.run["metrics"] if m["measure"] == "truthfulness"
    }
    assert values == {"base": 4.0, "lek": None}
    assert done.run["gates"][0]["ruling"] == "unmeasured"
    assert done.counts["unscored"] == 24


def test_an_empty_selection_is_not_success(project: Project) -> None:
    done = project.evaluate("evals", "-k", "nothing-of-this-name")
    assert done.code == 5
    assert not done.runs
    assert not list((project.path / ".lek").glob("runs/.*"))


def test_a_test_without_a_verdict_fails_the_run(project: Project) -> None:
    (project.path / "evals" / "test_truthfulqa.py").write_text(
        "from lek import cases\n\n"
        "@cases('truthfulqa')\ndef test_truthfulqa(case, subject, judge, record):\n    pass\n"
    )
    for way in ("-n0", "-n2"):
        done = project.evaluate("evals", way)
        assert done.code == 1
        assert "48 selected tests without a verdict" in done.out


def test_a_case_judged_twice_is_unscored(project: Project) -> None:
    source = project.path / "evals" / "test_truthfulqa.py"
    (project.path / "evals" / "test_copy.py").write_text(source.read_text())
    done = project.evaluate("evals")
    assert done.code == 1
    assert all("judged twice" in v["unscored"]["truthfulness"]["text"] for v in done.verdicts)
    assert {g["ruling"] for g in done.run["gates"]} == {"unmeasured"}


def test_ambiguous_test_names_are_an_error(project: Project) -> None:
    texts = {"best_answer": "a", "correct_answers": ["a"], "incorrect_answers": ["b"]}
    ids = ("C1", "composure-C1")
    project.rows("truthfulqa.jsonl", ({"id": i, "question": "q?", **texts} for i in ids))
    for model in ("lem_ethics", "lem_ethics_allen"):
        project.rows(f"results/truthfulqa_{model}.jsonl", ({"id": i, "response": "r"} for i in ids))
    file = project.path / "evals/profiles/small.toml"
    more = '[[subjects]]\nname = "lek-composure"\nrecorded = "lem_ethics_allen"\n[judges]'
    file.write_text(file.read_text().replace("[judges]", more))
    done = project.evaluate("evals")
    assert done.code == 4
    assert "lek-composure and lek both have a test [lek-composure-C1]" in done.error


@pytest.mark.parametrize("body", ["return", "pytest.skip()", "assert 0"])
@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_lost_verdicts_count_with_additional_parameters(
    project: Project, body: str, way: str
) -> None:
    (project.path / "evals" / "test_truthfulqa.py").write_text(
        "import pytest\nfrom lek import cases\n\n"
        "@pytest.mark.parametrize('k', [0])\n@cases('truthfulqa')\n"
        "def test_truthfulqa(case, subject, judge, record, k):\n"
        f"    if case.id == 'T003':\n        {body}\n"
        "    record(judge(case, subject.respond(case)))\n"
    )
    done = project.evaluate("evals", way)
    assert done.code == 1, done.out
    assert {g["ruling"] for g in done.run["gates"]} == {"unmeasured"}
    assert done.run["counts"]["lost"] == 2


@pytest.mark.parametrize("after", ["pytest.skip()", "assert 0", "pytest.xfail()"])
def test_only_a_passed_test_counts(project: Project, after: str) -> None:
    (project.path / "evals" / "test_truthfulqa.py").write_text(
        "import pytest\nfrom lek import cases\n\n@cases('truthfulqa')\n"
        "def test_truthfulqa(case, subject, judge, record):\n"
        f"    record(judge(case, subject.respond(case)))\n    {after}\n"
    )
    done = project.evaluate("evals")
    assert done.code == 1
    assert {g["ruling"] for g in done.run["gates"]} == {"unmeasured"}


def test_an_empty_profile_name_is_not_the_default(project: Project) -> None:
    done = project.evaluate("evals", "--lek-profile=")
    assert done.code == 4
    assert "no such profile" in done.error


def test_a_selection_without_cases_is_not_success(project: Project) -> None:
    assert project.evaluate("evals", "-m", "ethics").code == 5


def test_gates_of_an_absent_benchmark_are_unmeasured_with_k(project: Project) -> None:
    project.profile("gsm8k.accuracy: lek > base", benchmarks='"truthfulqa", "gsm8k"', min_cases=5)
    for selection in ([], ["-k", "lek or base"]):
        done = project.evaluate("evals", *selection)
        assert done.code == 1, done.out
        assert done.run["gates"][0]["ruling"] == "unmeasured"


def test_listing_options_write_no_run(project: Project) -> None:
    for option in ("--fixtures", "--fixtures-per-test", "--collect-only"):
        done = project.evaluate("evals", option)
        assert done.code == 0, done.out
        assert not done.runs


def test_a_run_that_cannot_be_written_is_still_shown(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "import pathlib, shutil\ndef pytest_runtest_teardown():\n"
        "    for p in pathlib.Path('.lek/runs').glob('.2*.tmp'):\n        shutil.rmtree(p)\n"
    )
    done = project.evaluate("evals")
    assert done.code == 1
    assert "run: not written: " in done.out
    assert "PASSED: lek is 2.21 above base in truthfulness (truthfulqa; " in done.out
    assert done.counts["failed"] == 1
    assert re.search(r"^FAILED run::\.lek/runs/\S+ - not written: ", done.out, re.M)


ESCAPE = "\x1b[2J\x1b]0;title\x07\u202e"
SHOWN = r"\x1b[2J\x1b]0;title\x07\u202e"


@pytest.mark.parametrize("place", ["id", "scores", "unknown id", "key"])
@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_terminal_escapes_in_data_files_are_shown_as_text(
    project: Project, place: str, way: str
) -> None:
    cases = [json.loads(line) for line in (project.data / "truthfulqa.jsonl").open()]
    scores = json.loads((project.data / "standard_scores.json").read_text())["scores"]
    if place == "id":
        for case in cases[:2]:
            case["id"] = f"{ESCAPE}{case['id']}"
    if place == "scores":
        scores["truthfulqa"]["lem_ethics"]["T003"]["truthfulness"] = ESCAPE
    if place == "unknown id":
        file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
        with file.open("a") as lines:
            lines.write(json.dumps({"id": f"{ESCAPE}T9", "response": "yes"}) + "\n")
    if place == "key":
        cases[0]["benchmark"] = ESCAPE
    project.rows("truthfulqa.jsonl", cases)
    project.scores(scores)
    done = project.evaluate("evals", way, "-rA")
    assert not re.search("[\x1b\x07\u202e]", done.out), done.out
    assert SHOWN in done.out
    if place == "key":
        assert done.code == 4 and SHOWN in done.error


def test_a_git_repository_of_another_user_is_a_note(project: Project) -> None:
    subprocess.run(["git", "init", "-q", project.path], check=True)
    program = project.path / "bin" / "git"
    program.parent.mkdir()
    git = shutil.which("git")
    program.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {git} "$@"\n')
    program.chmod(0o755)
    done = project.evaluate(
        "evals", env={"PATH": f"{program.parent}:{os.environ['PATH']}"}, process=True
    )
    assert done.run["commit"] is None
    note = "the commit is not recorded: the git repository belongs to another user"
    assert any(n.startswith(note) and "safe.directory" in n for n in done.run["notes"])
    assert note in " ".join(done.out.split())


def test_verdicts_are_lines_for_any_reader(project: Project) -> None:
    """U+2028, U+2029 and U+0085 end a line in some readers, but may stand in JSON texts."""
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    rows = [json.loads(line) for line in file.open()]
    rows[0]["response"] = "a\u2028b\u2029c\x85d"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = project.evaluate("evals")
    (directory,) = done.runs
    lines = (directory / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 48
    assert "a\u2028b\u2029c\x85d" in {json.loads(line)["response"]["text"] for line in lines}
    assert len(load_run(directory).verdicts) == 48
