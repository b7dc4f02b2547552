"""Reports: the terminal summary within its width, and HTML with escaped texts."""

import html
import json
import re
from pathlib import Path

import pytest
from markupsafe import escape
from support.benchmarks import BENCHMARKS
from support.project import MODELS, ROOT, Project
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
    assert "alert('x')</script>" not in page
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    (case,) = tests["evals/test_truthfulqa.py::test_truthfulqa[lek-T000]"]
    assert "<script>alert" not in json.dumps(tests)
    assert str(escape(MARKUP)) in case["log"]
    for part in (
        "answer of lek",
        "scores (by recorded, degeneration_detector)",
        "truthfulness 5",
        "reason",
        "best_answer",
    ):
        assert part in case["log"]
    (unscored,) = tests["evals/test_truthfulqa.py::test_truthfulqa[lek-T003]"]
    assert "truthfulness unscored" in unscored["log"]
    assert "gate::truthfulqa.truthfulness: lek > base" in tests
    assert "gate::truthfulqa.truthfulness: lek &gt; base" in json.dumps(tests)
    for part in (
        "5.00 [4.90, 5.10]",
        "lek is 2.00 above base",
        "profile</td>",
        "small (",
        "machine</td>",
    ):
        assert part in page
    assert not re.findall(r'(?:src|href)="http', page.replace("https://pypi.python.org", ""))


def test_a_failed_gate_is_a_failure_in_html(project: Project) -> None:
    project.profile("truthfulqa.truthfulness: base > lek")
    project.evaluate("evals", "--html=report.html", "--self-contained-html")
    page = (project.path / "report.html").read_text()
    assert '<td class="failed">failed</td>' in page
    assert "1 Failed" in page
