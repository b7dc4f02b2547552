"""The report of a run: one HTML file that needs no other file and no network.

The first screen is static: gates, results, plots, notes. A script shows the cases, whose texts are
in the page in compressed form. Texts of models are data: they are escaped, or set as text by the
script, and the page's Content-Security-Policy allows no other script and no request.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.errors import printable
from lek.records import Metric
from lek.report import plots
from lek.report.cases import Cases
from lek.report.differences import Difference, differences
from lek.report.embedding import pack
from lek.report.notes import notes
from lek.report.template import render
from lek.report.terminal import (
    built,
    change_text,
    judge_text,
    share_text,
    spending,
    value_text,
)
from lek.runs.run import Run

SESSION = "pytest.html"  # the page that pytest-html wrote, in the directory of a run
_TEMPLATES = Path(__file__).parent / "templates"


def title(run: Run) -> str:
    """The title of the page."""
    return f"LEM evaluation: {run.facts['profile']['name']}"


def page(run: Run, session: str | None = None) -> Iterator[str]:
    """The report of ``run``, in parts.

    ``session``: the page that pytest-html wrote about the same session, which is put below.
    """
    head, body = _split(session) if session is not None else ("", "")
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    scripts = [script, *_SCRIPT.findall(head + body)]
    self_contained = not re.search(r"<link [^>]*stylesheet", head)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
    policy = escape(_policy(scripts, self_contained=self_contained))
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>\n'
    yield f"<title>{escape(printable(title(run)))}</title>\n{head}\n"
    yield f"<style>{style}</style>\n</head>\n<body>\n"
    yield _overview(run)
    if body:
        yield '<section class="lek-session" aria-label="Session">\n<details>'
        yield "<summary>Session: other tests, failed cases, plugins (pytest-html)</summary>\n"
        yield f"{body}\n</details>\n</section>\n"
    cases, starts = Cases(run), []
    for start, block in cases.blocks():
        starts.append(start)
        yield f'<script type="text/plain" class="lek-block">{pack(block)}</script>\n'
    yield f'<script type="text/plain" id="lek-index">{pack(cases.index(starts))}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


_SCRIPT = re.compile(r"<script>(.*?)</script>", re.S)


def _split(page: str) -> tuple[str, str]:
    """The content of the head of pytest-html's ``page``, without its title, and of its body."""
    head = page[page.index("<head>") + len("<head>") : page.index("</head>")]
    body = page[page.index("<body>") + len("<body>") : page.rindex("</body>")]
    head = re.sub(r"<title.*?</title>|<meta charset[^>]*>", "", head, flags=re.S).strip()
    body = body.replace('<h1 id="title">', '<h2 id="title">', 1).replace("</h1>", "</h2>", 1)
    # of a hidden button for tests that are still running; the policy forbids such attributes
    body = body.replace(' onclick="location.reload()"', "")
    body = re.sub(r'(data-test-result="(\w+)")', r'\1 aria-label="\2"', body)
    return head, body.strip()


def _policy(scripts: list[str], *, self_contained: bool) -> str:
    """The Content-Security-Policy: only ``scripts``, by hash, and nothing from elsewhere."""
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    own = "" if self_contained else " 'self' file:"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes}",
            f"style-src 'unsafe-inline'{own}",
            f"img-src data:{own}",
            f"media-src data:{own}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _overview(run: Run) -> str:
    """The static part of the page."""
    by_name = {name: [m for m in run.metrics if m.benchmark == name] for name in run.benchmarks}
    subjects = list(dict.fromkeys(m.subject for m in run.metrics))
    found = differences(run)
    compared = {(d.subject, d.benchmark, d.measure.name): d for d in found}
    drawn = plots.draw(run, found)
    return render(
        _TEMPLATES / "report.html",
        headline=_headline(run),
        description=run.facts["profile"].get("content", {}).get("description") or "",
        facts=list(_facts(run)),
        gates=run.selected_gates,
        not_selected=run.not_selected.items(),
        subjects=subjects,
        baseline=next((d.baseline for d in compared.values()), None),
        benchmarks=[
            {
                "name": name,
                "judges": _judges(run.facts.get("protocol", {}).get(name, {})),
                "rows": [
                    _row(run.benchmarks[name], row, subjects, compared)
                    for row in _by_measure(metrics)
                ],
            }
            for name, metrics in by_name.items()
            if metrics
        ],
        notes=[note.text for note in notes(run)],
        plots=[
            {"name": plot.name, "title": plot.title, "svg": plots.inline_svg(plot)}
            for plot in drawn
        ],
        environment=list(_environment(run)),
    )


def _headline(run: Run) -> str:
    """Whether the claims hold, in a few words: ``lem-paper: 2 of 5 gates passed, 3 failed``."""
    rulings = Counter(gate.ruling for gate in run.selected_gates)
    name = run.facts["profile"]["name"]
    selected = rulings.total()
    if not selected:
        return f"{name}: no gate was ruled on"
    if rulings["passed"] == selected:
        return f"{name}: {'the gate' if selected == 1 else f'all {selected} gates'} passed"
    parts = [f"{rulings['passed']} of {selected} gates passed"]
    parts += [f"{n} {word}" for word in ("failed", "unmeasured") if (n := rulings[word])]
    return f"{name}: {', '.join(parts)}"


def _facts(run: Run) -> Iterator[str]:
    """What the first lines say about the run."""
    facts = run.facts
    commit = facts.get("commit")
    dirty = ", with uncommitted changes" if facts.get("dirty") else ""
    message = f" “{facts['commit_message']}”" if facts.get("commit_message") else ""
    yield f"commit {commit[:9]}{message}{dirty}" if commit else "not in a git repository"
    judges = dict.fromkeys(
        judge_text(judge, settings)
        for protocol in facts.get("protocol", {}).values()
        for judge, settings in protocol.items()
    )
    yield f"judged by {', '.join(judges)}" if judges else "no judge"
    yield f"{facts['started']}, took {_duration(facts['started'], facts['finished'])}"
    yield share_text(run)
    yield from (line for line in spending(run) if not line.startswith(" "))


def _duration(started: str, finished: str) -> str:
    """The time between two times in ISO 8601, such as ``1 h 2 min`` or ``12 s``."""
    seconds = int(
        (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
    )
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 2:
        return f"{seconds} s"
    return f"{minutes} min" if hours < 2 else f"{hours} h {minutes % 60} min"


def _judges(protocol: dict[str, Any]) -> str:
    return ", ".join(judge_text(judge, settings) for judge, settings in protocol.items())


def _by_measure(metrics: list[Metric]) -> list[list[Metric]]:
    names = dict.fromkeys(metric.measure for metric in metrics)
    return [[metric for metric in metrics if metric.measure == name] for name in names]


def _row(
    benchmark: Benchmark,
    metrics: list[Metric],
    subjects: list[str],
    compared: dict[tuple[str, str, str], Difference],
) -> dict[str, Any]:
    """The template values of one row of the table of results."""
    of_subject = {metric.subject: metric for metric in metrics}
    means = {s: m.value for s, m in of_subject.items() if m.value is not None}
    best = max(means.values(), default=None)
    tie = len(means) > 1 and min(means.values()) == best
    sizes = sorted({metric.n for metric in metrics})
    measure = benchmark[metrics[0].measure]
    cells = []
    for subject in subjects:
        metric = of_subject.get(subject)
        difference = compared.get((subject, benchmark.name, measure.name))
        cells.append(
            {
                "value": value_text(metric, measure).split(" ", 1)[0] if metric else "",
                "best": best is not None and means.get(subject) == best and not tie,
                "lines": list(_lines(metric, measure)) if metric else [],
                **_sign(difference),
            }
        )
    count = "-".join(str(n) for n in dict.fromkeys((sizes[0], sizes[-1])))
    return {"measure": measure.name, "cells": cells, "n": count}


def _lines(metric: Metric, measure: Measure) -> Iterator[tuple[str, str]]:
    """The lines below a mean, each with its explanation."""
    _, _, interval = value_text(metric, measure).partition(" ")
    if interval:
        yield interval, ""
    if metric.change is not None:
        text = change_text(metric)
        yield text.removeprefix("rel. ").split(" ", 1)[0], text
    if metric.unscored:
        yield f"{metric.unscored} unscored", ""
    if metric.spread is not None:
        yield f"vote spread {metric.spread:.2f}", "largest minus smallest vote, mean"


def _sign(difference: Difference | None) -> dict[str, str]:
    """An arrow for a significant difference from the baseline, and its meaning."""
    if difference is None or not difference.significant:
        return {"sign": "", "meaning": ""}
    above = difference.value > 0
    meaning = f"significantly {'above' if above else 'below'} {difference.baseline}"
    return {"sign": "▲" if above else "▼", "meaning": meaning}


def _environment(run: Run) -> Iterator[tuple[str, str]]:
    """The other facts of the run, as pairs of name and text."""
    facts, profile = run.facts, run.facts["profile"]
    yield "profile", f"{profile['name']} (digest {profile['digest'][:12]})"
    yield "counts", ", ".join(f"{v} {k}" for k, v in facts["counts"].items())
    yield from (("models", line) for line in built(run))
    for subject in facts.get("subjects", ()):
        if isinstance(subject.get("fingerprint"), str):
            yield "fingerprint", f"{subject['name']}: {subject['fingerprint'][:16]}"
    for name, protocol in facts.get("protocol", {}).items():
        yield "judges", f"{name}: {_judges(protocol)}"
    yield from (("cost", line.strip()) for line in spending(run))
    yield "versions", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    yield "machine", ", ".join(f"{k} {v}" for k, v in facts["machine"].items())
