"""Cases that fail for the same reason: one entry in the terminal's summary, and counted as many."""

import re
from collections.abc import Callable

import pytest
from support.project import Outcome, Project

BROKEN = """
import pytest
from lek import cases

@cases("truthfulqa")
def test_truthfulqa(case, subject, judge, record):
    if subject.name == "lek":
        pytest.fail("lek: no reply from the server\\nwith details", pytrace=False)
    if case.id == "T007":
        raise ValueError("another reason")
    answers = {}
    record(answers[case.prompt[:2]])

@pytest.mark.parametrize("i", range(3))
def test_of_the_user(i):
    pytest.fail("the same text", pytrace=False)
"""
HEADING = "cases fail for the same reason; the first of them:"


@pytest.fixture
def broken(project: Project) -> Project:
    """A project in which all 48 cases fail, for three reasons, and three tests of the user."""
    for file in (project.path / "evals").glob("test_*.py"):
        file.unlink()
    (project.path / "evals" / "test_broken.py").write_text(BROKEN)
    return project


def section(done: Outcome, title: str) -> str:
    """The part of the output below the line with ``title``."""
    (text,) = re.findall(rf"^=+ {title} =+\n(.*?)^(?:=|\d+ failed)", done.out, re.M | re.S)
    return text


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_reason_is_shown_once(broken: Project, way: str) -> None:
    done = broken.evaluate("evals", way, "--lek-no-gates", "--junitxml=junit.xml")
    assert done.code == 1
    assert done.counts["failed"] == 51
    failures = section(done, "FAILURES")
    headlines = re.findall(r"^_+ (.*?) _+$", failures, re.M)
    assert len(headlines) == 3 + 3
    assert f"24 {HEADING}\nlek: no reply from the server\nwith details\n" in failures
    assert f"23 {HEADING}\n" in failures and failures.count(HEADING) == 2
    assert failures.count("KeyError: 'Is'") == 1 and "> " in failures  # with its traceback
    assert "ValueError: another reason" in failures
    short = section(done, "short test summary info").splitlines()
    assert len(short) == 3 + 3
    assert sum(" - 24 cases: " in line for line in short) == 1
    assert sum(" - 23 cases: " in line for line in short) == 1
    assert sum("::test_of_the_user[" in line for line in short) == 3
    junit = (broken.path / "junit.xml").read_text()
    assert 'failures="51"' in junit
    assert len(re.findall(r'<failure message="[^"]*no reply from the server', junit)) == 24


@pytest.mark.parametrize(
    ("options", "headlines", "lines"),
    [
        (["-v"], 6, 6),
        (["-vv"], 6, 6),
        (["-q"], 6, 6),
        (["--tb=short"], 6, 6),
        (["--tb=line"], 0, 6),
        (["--tb=no"], 0, 6),
        (["--tb=native"], 6, 6),
        (["-r", "A"], 6, 6),
        (["-r", "N"], 6, 0),
        (["--no-summary"], 0, 0),
        (["-k", "T007"], 2, 2),
    ],
)
def test_options_of_pytest(broken: Project, options: list[str], headlines: int, lines: int) -> None:
    done = broken.evaluate("evals", "--lek-no-gates", "-n0", *options)
    assert done.code == 1 and "INTERNALERROR" not in done.out, done.out
    assert done.counts["failed"] == (2 if "-k" in options else 51)
    assert len(re.findall(r"^_+ test_.*? _+$", done.out, re.M)) == headlines
    if lines:
        short = re.findall(r"^FAILED evals.*", section(done, "short test summary info"), re.M)
        assert len(short) == lines
    if "-v" in options:
        assert len(re.findall(r"^evals.* FAILED ", done.out, re.M)) == 51


def test_all_cases_are_repeated_by_lf(broken: Project) -> None:
    broken.evaluate("evals", "--lek-no-gates")
    done = broken.evaluate("evals", "--lek-no-gates", "--lf")
    assert done.counts["failed"] == 51


def test_errors_of_a_fixture_are_one_entry(
    broken: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def disk():\n"
        "    raise RuntimeError('no disk')\n"
    )
    done = broken.evaluate("evals", "--lek-no-gates", "-k", "lek")
    assert done.counts["error"] == 24
    assert section(done, "ERRORS").count("RuntimeError: no disk") == 1
    assert f"24 {HEADING}" in section(done, "ERRORS")


def test_gates_are_listed_beside_cases(broken: Project) -> None:
    done = broken.evaluate("evals")
    assert done.counts["failed"] == 51 + 2
    short = section(done, "short test summary info").splitlines()
    assert [line.split("::")[0] for line in short[-2:]] == ["FAILED gate"] * 2
    assert len(short) == 6 + 2
