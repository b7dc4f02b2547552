"""Reports: the terminal summary within its width, and HTML with escaped texts."""

import html
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.benchmarks import BENCHMARKS
from support.pages import cases_of
from support.project import MODELS, ROOT, Project, lek
from syrupy.assertion import SnapshotAssertion

from lek.profile.loading import load
from lek.records import Metric
from lek.report import terminal
from lek.runs.plan import make_plan
from lek.runs.run import Run
from lek.runs.tally import Tally
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace


def finished(profile: str, data: Path | None = None, leave_out: str = "nothing") -> Run:
    """The run of a shipped profile, computed without pytest."""
    loaded = load(ROOT / "evals" / "profiles" / f"{profile}.toml")
    workspace = Workspace(Path("unused"), Silent())
    plan = make_plan(loaded, data=data, limit=None, workspace=workspace)
    tally = Tally(plan)
    for (benchmark, subject), backend in plan.answers.items():
        for case in plan.cases[benchmark]:
            node = f"test_{benchmark}[{subject}-{case.id}]"
            tally.select([node])
            if leave_out not in node:
                tally.verdict(node, plan.judge(case, backend.respond(case)).to_json())
    return tally.finish({}, commit=None, dirty=None)


def summary_text(run: Run, width: int) -> str:
    return "\n".join(line.text for line in terminal.summary(run, width))


def test_terminal_summary_in_80_columns(snapshot: SnapshotAssertion) -> None:
    text = summary_text(finished("recorded"), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text == snapshot


def test_terminal_summary_with_lost_verdicts(snapshot: SnapshotAssertion) -> None:
    text = summary_text(finished("recorded", leave_out="lek-TRUTHQA_00"), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text == snapshot


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_terminal_summary_fits_the_width(width: int) -> None:
    lines = summary_text(finished("recorded"), width).splitlines()
    assert max(map(len, lines)) <= width


def test_who_judged_is_one_line() -> None:
    run = finished("recorded")
    assert terminal.judges_text(run) == "judged by recorded verdicts"
    run.facts["protocol"] |= {
        "gsm8k": {"exact": {}, "degeneration_detector": {}},
        "truthfulqa": {"openai": {"model": "gpt-4o-mini", "votes": 3}, "refusal_detector": {}},
        "toxigen": {"openai": {"model": "gpt-4o-mini", "votes": 3}},
        "not evaluated": {"gemini": {"model": "gemini"}},
    }
    assert terminal.judges_text(run) == (
        "judged by openai (gpt-4o-mini, 3 votes) and recorded verdicts"
    )
    run.facts["protocol"] = {"gsm8k": {"exact": {}}, "ethics": {"reference": {"floor": 0.9}}}
    assert terminal.judges_text(run) is None


def test_colour_only_on_a_terminal(project: Project) -> None:
    assert "\x1b" not in project.evaluate("evals").out
    assert "\x1b[32m" in project.evaluate("evals", "--color=yes").out


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (4.9, 4.0, 5.8, "4.90 [4.00, 5.80]"),
        (4.9, None, None, "4.90"),
        (None, None, None, "unscored"),
    ],
)
def test_value_text(
    value: float | None, low: float | None, high: float | None, expected: str
) -> None:
    metric = Metric(
        subject="lek",
        benchmark="truthfulqa",
        measure="truthfulness",
        value=value,
        low=low,
        high=high,
        n=3,
        unscored=0,
    )
    assert terminal.value_text(metric, BENCHMARKS["truthfulqa"]["truthfulness"]) == expected


MARKUP = "<script>alert('x')</script> & </div></template> \"quoted\""


def insert_markup(project: Project) -> None:
    """Insert markup into all texts that a report shows."""
    project.truthfulqa({MODELS["base"]: [3] * 24, MODELS["lek"]: [5] * 24})
    for model in MODELS.values():
        file = project.data / "results" / f"truthfulqa_{model}.jsonl"
        rows = [json.loads(line) for line in file.open()]
        project.rows(f"results/{file.name}", ({**r, "response": MARKUP} for r in rows))
    cases = [json.loads(line) for line in (project.data / "truthfulqa.jsonl").open()]
    project.rows(
        "truthfulqa.jsonl", ({**c, "question": MARKUP, "best_answer": MARKUP} for c in cases)
    )
    scores = json.loads((project.data / "standard_scores.json").read_text())["scores"]
    for verdict in (v for m in scores["truthfulqa"].values() for v in m.values()):
        verdict["reasoning"] = MARKUP
    scores["truthfulqa"]["lem_ethics"]["T003"]["truthfulness"] = MARKUP
    project.scores(scores)


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_html_is_complete_and_escaped(project: Project, way: str) -> None:
    insert_markup(project)
    done = project.evaluate("evals", "--html=report.html", "--self-contained-html", way)
    assert done.code == 0, done.out
    page = (project.path / "report.html").read_text()
    assert "alert('x')" not in page  # the cases are in compressed form
    assert "PASSED</b>: lek is 2.00 above base" in page
    assert "small: all 2 gates passed" in page
    tests = rows_of(page)
    assert "gate::truthfulqa.truthfulness: lek &gt; base" in json.dumps(tests)
    assert not any("test_truthfulqa[" in name for name in tests)
    assert not re.findall(r'(?:src|href)="http', page.replace("https://pypi.python.org", ""))


def rows_of(page: str) -> dict[str, Any]:
    """The tests in pytest-html's table, by node id."""
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    return dict(json.loads(html.unescape(blob[1]))["tests"])


def test_a_failed_gate_is_a_failure_in_html(project: Project) -> None:
    project.profile("truthfulqa.truthfulness: base > lek")
    project.evaluate("evals", "--html=report.html", "--self-contained-html")
    page = (project.path / "report.html").read_text()
    assert '<li class="lek-failed"><b>FAILED</b>' in page
    assert "small: 0 of 1 gates passed, 1 failed" in page
    assert "1 Failed" in page


def test_other_tests_keep_the_rows_and_features_of_pytest_html(project: Project) -> None:
    (project.path / "more").mkdir()
    (project.path / "more" / "test_more.py").write_text(
        "import pytest, pytest_html\n"
        "def test_fails():\n    assert '<b>' == 'x'\n"
        "def test_passes(extras):\n"
        "    extras.append(pytest_html.extras.url('notes.txt', name='my notes'))\n"
        "    print('printed')\n"
    )
    (project.path / "more" / "conftest.py").write_text(
        "def pytest_html_results_table_header(cells):\n    cells.append('<th>Own column</th>')\n"
        "def pytest_html_results_table_row(cells):\n"
        "    if cells:\n        cells.append('<td>own</td>')\n"
        "def pytest_html_results_summary(prefix):\n    prefix.append('<p>own summary</p>')\n"
    )
    (project.path / "own.css").write_text("p { margin-left: 17px; }")
    options = [
        "--html=report.html",
        "--self-contained-html",
        "--css=own.css",
        "--metadata",
        "K",
        "V",
    ]
    done = project.evaluate("evals", "more", *options)
    assert done.code == 1
    page = (project.path / "report.html").read_text()
    rows = rows_of(page)
    assert "&lt;b&gt;" in rows["more/test_more.py::test_fails"][0]["log"]
    assert "my notes" in json.dumps(rows["more/test_more.py::test_passes"])
    for part in ("Own column", "own summary", "margin-left: 17px", "K", "1 Failed", "PASSED</b>"):
        assert part in page
    assert (
        json.loads(html.unescape(page.split('data-jsonblob="')[1].split('"')[0]))["environment"][
            "K"
        ]
        == "V"
    )


def test_the_assets_of_a_page_that_is_not_self_contained_are_allowed(project: Project) -> None:
    project.evaluate("evals", "--html=out/report.html")
    page = (project.path / "out" / "report.html").read_text()
    assert "style-src &#x27;unsafe-inline&#x27; &#x27;self&#x27; file:" in page
    assert (project.path / "out" / "assets" / "style.css").is_file()


def test_control_characters_reach_neither_terminal_nor_junit(project: Project) -> None:
    hostile = "\x1b[2J\x1b]0;title\x07 \x00\x08\x9b \u202e \u200b ]]> <![CDATA["
    project.truthfulqa({MODELS["base"]: [3] * 24, MODELS["lek"]: [5] * 24})
    for model in MODELS.values():
        file = project.data / "results" / f"truthfulqa_{model}.jsonl"
        rows = [json.loads(line) for line in file.open()]
        project.rows(f"results/{file.name}", ({**r, "response": hostile} for r in rows))
    scores = json.loads((project.data / "standard_scores.json").read_text())["scores"]
    scores["truthfulqa"]["lem_ethics"]["T003"]["truthfulness"] = hostile
    scores["truthfulqa"]["lem_ethics"]["T004"]["reasoning"] = hostile
    project.scores(scores)
    options = ["--html=r.html", "--self-contained-html", "--junitxml=r.xml", "-rA", "-vv"]
    done = project.evaluate("evals", *options)
    texts = {name: (project.path / name).read_text() for name in ("r.xml", "r.html")}
    for name, text in {"terminal": done.out, **texts}.items():
        assert set("\x1b\x07\x00\x08\x9b\u202e\u200b") & set(text) == set(), name
    cases = ElementTree.fromstring(texts["r.xml"]).findall(".//testcase")  # noqa: S314 - own file
    assert len(cases) == 48 + 6 + 2
    assert hostile in [
        answer["text"] for answer in cases_of((project.path / "r.html").read_text())[0]["answers"]
    ]


@pytest.mark.parametrize("with_page", [True, False])
def test_the_command_makes_the_same_report(project: Project, with_page: bool) -> None:
    options = ["--html=report.html", "--self-contained-html"] if with_page else []
    project.evaluate("evals", "--lek-out=run", *options)
    code, out, error = lek(project.path, "report", "run")
    assert code == 0, error
    assert "PASSED: lek is 2." in out and "written: run/report.html" in out
    made = (project.path / "run" / "report.html").read_text()
    assert "small: all 2 gates passed" in made
    if with_page:
        assert made == (project.path / "report.html").read_text()


def test_the_command_writes_plots(project: Project) -> None:
    project.evaluate("evals", "--lek-out=run")
    code, _, error = lek(project.path, "report", "run", "--plots", "plots")
    assert code == 0, error
    names = sorted(file.name for file in (project.path / "plots").iterdir())
    assert names == ["distributions.png", "distributions.svg", "forest.png", "forest.svg"]
    assert not (project.path / "run" / "report.html").exists()


@pytest.mark.parametrize("arguments", [["nowhere"], ["run", "--html=no/such/report.html"]])
def test_the_command_reports_bad_input_in_one_line(project: Project, arguments: list[str]) -> None:
    project.evaluate("evals", "--lek-out=run")
    code, _, error = lek(project.path, "report", *arguments)
    assert code == 4
    assert len(error.strip().splitlines()) == 1
    assert "nowhere" in error or "no/such/report.html" in error


def test_without_pytest_html_there_is_no_page(project: Project) -> None:
    done = project.evaluate("evals", "-p", "no:html")
    assert done.code == 0, done.out
