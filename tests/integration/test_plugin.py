"""Selection, options and reports of the plugin."""

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import ROOT, Outcome, Project, copy_harness


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The benchmarks with the repository's profile `recorded` and its made-up data."""
    project = copy_harness(tmp_path_factory.mktemp("made_up"))
    (project.path / "sandbox").mkdir()
    (project.path / "sandbox" / "recorded").symlink_to(ROOT / "sandbox" / "recorded")
    ini = (ROOT / "pytest.ini").read_text()
    (project.path / "pytest.ini").write_text(ini.replace("= sandbox", "= recorded"))
    return project


def collected(done: Outcome) -> list[str]:
    """The tests that were collected, without those of benchmarks that the profile does not have."""
    lines = done.out.splitlines()
    return [line for line in lines if "::" in line and not line.endswith("[absent]")]


def test_all_gates_of_the_default_run_pass(made_up: Project) -> None:
    done = made_up.evaluate("evals")
    assert done.code == 0, done.out
    assert done.counts == {"passed": 307, "skipped": 2}
    assert {g["ruling"] for g in done.run["gates"]} == {"passed"}


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_gates_come_first_and_the_places_of_run_and_report_last(project: Project, way: str) -> None:
    done = project.evaluate("evals", way, "--html=report.html")
    assert done.code == 0, done.out
    summary = done.out[done.out.index("= lek: small =") :].splitlines()
    assert summary[1] == "gates", done.out
    assert summary[2].startswith("  PASSED: lek is 2.21 above base in truthfulness (truthfulqa; ")
    assert summary.index("  judged by recorded verdicts") < summary.index(
        "mean [95% interval]; next line: relative change from base"
    )
    (run,) = done.runs
    place = summary.index(f"run: {run.relative_to(project.path)}")
    report = (project.path / "report.html").as_uri()
    assert summary[place + 1].strip("- ") == f"Generated html report: {report}"
    assert summary[place + 2].strip("= ").startswith("50 passed, 6 skipped in ")


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_gates_are_appended_to_the_summary_of_a_github_job(project: Project, way: str) -> None:
    file = project.path / "summary.md"
    file.write_text("from an earlier step\n")
    done = project.evaluate("evals", way, env={"GITHUB_STEP_SUMMARY": str(file)})
    assert done.code == 0, done.out
    lines = file.read_text().splitlines()
    assert lines[:3] == ["from an earlier step", "## small", ""]
    assert lines[3].startswith("- **PASSED**: lek is 2.21 above base in truthfulness (truthfulqa; ")
    assert lines[4].startswith("- **PASSED**: lek is equal to base in informativeness (")
    assert lines[5:] == [
        "",
        "- judged by recorded verdicts",
        "- evaluated all 48 planned cases",
        "",
    ]
    project.evaluate("evals", way, "-k", "base", env={"GITHUB_STEP_SUMMARY": str(file)})
    again = file.read_text().splitlines()[len(lines) :]
    assert again[2] == "- 2 gates not selected (-k left out all cases of lek on truthfulqa)"


def test_the_summary_of_a_github_job_has_the_notes(project: Project) -> None:
    file = project.path / "summary.md"
    project.evaluate("evals", "--lek-limit=5", env={"GITHUB_STEP_SUMMARY": str(file)})
    limited = "--lek-limit 5: metrics and gates are of 5 of 24 cases of truthfulqa"
    assert f"- {limited}" in file.read_text().splitlines()


def test_output_that_cannot_be_written_is_named(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import lek.plugin.controller as controller\n"
        "def fail(file, text): raise OSError(28, 'No space left on device')\n"
        "controller.write_file = fail\n"
    )
    env = {"GITHUB_STEP_SUMMARY": str(project.path)}
    done = project.evaluate("evals", "--html=report.html", env=env)
    assert done.code == 0, done.out
    assert "report.html: cannot be written: No space left on device\n" in done.out
    text = " ".join(done.out.split())
    assert f"GITHUB_STEP_SUMMARY {project.path}: cannot be written: Is a directory" in text


def test_test_ids_contain_subject_and_case(made_up: Project) -> None:
    done = made_up.evaluate("evals", "--collect-only", "-q")
    ids = collected(done)
    assert len(ids) == 300
    assert "evals/test_gsm8k.py::test_gsm8k[lek-GSM8K_003]" in ids
    assert not done.runs


@pytest.mark.parametrize(
    ("selection", "n"),
    [
        (["-m", "truthful"], 60),
        (["-m", "truthfulqa"], 60),
        (["-m", "reasoning"], 60),
        (["-m", "safety or kindness"], 120),
        (["-m", "safety and not gsm8k"], 60),
        (["-m", "ethics"], 60),
        (["-k", "lek-composure"], 60),
        (["-k", "lek"], 120),
        (["-k", "lek and not composure", "-m", "reasoning"], 12),
        (["--lek-limit", "5"], 125),
        (["--lek-limit", "500"], 300),
        (["evals/test_gsm8k.py::test_gsm8k[lek-GSM8K_003]"], 1),
    ],
)
def test_selection_by_pytest_options(made_up: Project, selection: list[str], n: int) -> None:
    target = [] if selection[0].startswith("evals") else ["evals"]
    assert len(collected(made_up.evaluate(*target, *selection, "--collect-only", "-q"))) == n


def test_only_gates_of_selected_benchmarks_are_ruled(made_up: Project) -> None:
    done = made_up.evaluate("evals", "-m", "truthful")
    assert done.code == 0, done.out
    rulings = {g["rule"]: g["ruling"] for g in done.run["gates"]}
    assert rulings.pop("truthfulqa.truthfulness: lek > base") == "passed"
    assert set(rulings.values()) == {"not selected"}
    assert "not selected (-m left out all cases of do_not_answer)" in done.out
    assert done.counts == {"passed": 61, "skipped": 1, "deselected": 241}


@pytest.mark.parametrize("way", [["-n0"], ["-n2"], []])
def test_a_gate_with_a_deselected_side_is_not_selected(made_up: Project, way: list[str]) -> None:
    done = made_up.evaluate("evals", "-m", "truthful", "-k", "lek and not composure", *way)
    assert done.code == 0
    assert {g["ruling"] for g in done.run["gates"]} == {"not selected"}
    reasons = {g["rule"]: g["why"] for g in done.run["gates"]}
    reason = reasons["truthfulqa.truthfulness: lek > base"]
    assert reason == "-k left out all cases of base on truthfulqa"
    assert f"1 gate not selected ({reason})" in " ".join(done.out.split())


def test_a_limit_leaves_too_few_cases(made_up: Project) -> None:
    done = made_up.evaluate("evals", "--lek-limit", "5")
    assert done.code == 1
    assert "5 scored pairs, fewer than min_cases = 10" in " ".join(done.out.split())
    assert done.run["data"]["limit"] == 5


def test_a_single_test_id(made_up: Project) -> None:
    done = made_up.evaluate("evals/test_gsm8k.py::test_gsm8k[lek-GSM8K_003]")
    (verdict,) = done.verdicts
    assert verdict["case"]["id"] == "GSM8K_003"
    assert verdict["response"]["subject"] == "lek"


def test_last_failed_reruns_failed_cases(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "import os\ndef pytest_runtest_call(item):\n"
        "    assert 'lek-T005' not in item.nodeid or os.environ.get('FIXED')\n"
    )
    first = project.evaluate("evals")
    assert first.code == 1
    assert first.counts["failed"] == 1 + 2  # the case, and two gates that are unmeasured without it
    again = project.evaluate("evals", "--lf", "--lek-no-gates", env={"FIXED": "1"})
    assert again.counts["passed"] == 1, again.out
    assert "rerun previous 1 failure" in again.out
    assert again.code == 0
    assert project.evaluate("evals", "--lf", env={"FIXED": "1"}).counts["passed"] == 50


def test_junit_has_the_gates_and_the_verdicts(project: Project) -> None:
    project.profile("truthfulqa.truthfulness: lek > base", "truthfulqa.truthfulness: base > lek")
    for way in ("-n0", "-n2"):
        assert project.evaluate("evals", "--junit-xml=junit.xml", way).code == 1
        cases = ET.parse(project.path / "junit.xml").getroot().findall(".//testcase")  # noqa: S314
        gates = {c.get("name"): c for c in cases if c.get("classname") == "gate"}
        assert set(gates) == {
            "truthfulqa.truthfulness: lek > base",
            "truthfulqa.truthfulness: base > lek",
        }
        assert gates["truthfulqa.truthfulness: lek > base"].find("failure") is None
        failure = gates["truthfulqa.truthfulness: base > lek"].find("failure")
        assert failure is not None
        assert "the opposite was shown" in str(failure.get("message"))
        verdicts = [p for c in cases for p in c.iter("property") if p.get("name") == "lek_verdict"]
        assert len(verdicts) == 48
        assert json.loads(str(verdicts[0].get("value")))["case"]["benchmark"] == "truthfulqa"


def test_user_properties_are_strings(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "def pytest_runtest_logreport(report):\n"
        "    for name, value in report.user_properties:\n"
        "        assert type(value) is str, value\n"
    )
    assert project.evaluate("evals", "-n2").code == 0


def test_lek_out_is_the_directory_of_the_run(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    done = project.evaluate("evals", f"--lek-out={out}")
    assert done.code == 0
    assert not done.runs
    assert sorted(p.name for p in out.iterdir()) == ["run.json", "verdicts.jsonl"]
    assert [p.name for p in out.parent.iterdir()] == ["b"]
    assert project.evaluate("evals", f"--lek-out={out}").code == 4  # nothing is overwritten


def test_two_runs_have_separate_directories(project: Project) -> None:
    first, second = project.evaluate("evals"), project.evaluate("evals")
    assert len({*first.runs, *second.runs}) == 2
    assert first.findings == second.findings


def test_a_run_directory_taken_by_another_run_gets_a_number(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "import json, pathlib\ndef pytest_runtest_teardown():\n"
        "    for p in pathlib.Path('.lek/runs').glob('.2*'):\n"
        "        taken = p.parent / p.name.split('.')[1]\n"
        "        taken.mkdir(exist_ok=True); (taken / 'x').touch()\n"
    )
    done = project.evaluate("evals")
    assert done.code == 0, done.out
    assert sum((r / "run.json").exists() for r in done.runs) == 1


def test_every_marker_is_registered(project: Project) -> None:
    out = project.evaluate("--markers").out
    for marker in ("reasoning", "truthful", "safety", "kindness", "ethics", "gsm8k", "toxigen"):
        assert f"@pytest.mark.{marker}:" in out


def test_help_lists_the_options(project: Project) -> None:
    out = project.evaluate("--help").out
    for name in ("profile", "data", "limit", "out", "no-gates"):
        assert f"--lek-{name}" in out


def test_collection_imports_no_heavy_packages(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "import sys\n"
        "def pytest_collection_finish():\n"
        "    heavy = {'mlx', 'mlx_lm', 'datasets', 'matplotlib', 'scipy', 'numpy'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    assert project.evaluate("evals", "--collect-only", "-q").code == 0


def test_record_rejects_other_types_and_a_second_call(project: Project) -> None:
    (project.path / "evals" / "test_truthfulqa.py").write_text(
        "import pytest\nfrom lek import cases\n\n@cases('truthfulqa')\n"
        "def test_truthfulqa(case, subject, judge, record):\n"
        "    with pytest.raises(TypeError, match='takes a Verdict, not float'):\n"
        "        record(7.0)\n"
        "    record(judge(case, subject.respond(case)))\n"
        "    with pytest.raises(ValueError, match='called twice'):\n"
        "        record(judge(case, subject.respond(case)))\n"
    )
    assert project.evaluate("evals").code == 0


OTHERS = {
    "subject": (
        "replace(verdict, response=replace(verdict.response, subject='base'))",
        "a verdict on base, but the test is of lek",
    ),
    "case": (
        "replace(verdict, case=replace(case, id='T001'), "
        "response=replace(verdict.response, case='T001'))",
        "a verdict on another case than T000",
    ),
    "case of the response": (
        "replace(verdict, response=replace(verdict.response, case='T001'))",
        "a verdict on another case than T000",
    ),
    "text of the case": (
        "replace(verdict, case=replace(case, prompt='Another question?'))",
        "a verdict on another case than T000",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_record_rejects_a_verdict_on_another_subject_or_case(project: Project, other: str) -> None:
    verdict, message = OTHERS[other]
    (project.path / "evals" / "test_truthfulqa.py").write_text(
        "from msgspec.structs import replace\n\nfrom lek import cases\n\n\n@cases('truthfulqa')\n"
        "def test_truthfulqa(case, subject, judge, record):\n"
        "    verdict = judge(case, subject.respond(case))\n"
        "    if case.id == 'T000' and subject.name == 'lek':\n"
        f"        verdict = {verdict}\n"
        "    record(verdict)\n"
    )
    done = project.evaluate("evals")
    assert done.code == 1
    assert f"ValueError: record() got {message}" in done.out
    assert {gate["ruling"] for gate in done.run["gates"]} == {"unmeasured"}


def test_git_ignores_what_a_run_writes(project: Project) -> None:
    subprocess.run(["git", "init", "-q", project.path], check=True)
    assert project.evaluate("evals").code == 0
    status = ["git", "-C", project.path, "status", "--porcelain", "--ignored"]
    done = subprocess.run(status, check=True, capture_output=True, text=True)
    assert "!! .lek/" in done.stdout.splitlines()
