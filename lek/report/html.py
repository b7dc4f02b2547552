"""HTML fragments for pytest-html: the summary of a run, and the details of each case.

The fragments contain no scripts and load no other files.
"""

from html import escape
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import Benchmark
from lek.records import Metric, Verdict
from lek.report.template import render
from lek.report.terminal import built, change_text, share_text, spending, value_text
from lek.runs.run import Run

_TEMPLATES = Path(__file__).parent / "templates"


def summary(run: Run) -> str:
    """The result tables, the gates and the facts of the run, for the top of the page."""
    by_name = {name: [m for m in run.metrics if m.benchmark == name] for name in run.benchmarks}
    return render(
        _TEMPLATES / "run.html",
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        benchmarks=[
            _table(run.benchmarks[n], metrics) for n, metrics in by_name.items() if metrics
        ],
        gates=run.gates,
        facts=_facts(run),
    )


def case(verdict: Verdict) -> str:
    """The details of one test: case, answer, scores and the judge's reasons."""
    response = verdict.response
    scores = ", ".join(
        f"{measure} {'unscored' if score is None else format(score, 'g')}"
        for measure, score in verdict.scores.items()
    )
    reference = "\n".join(
        f"{key}: {'; '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in verdict.case.reference.items()
    )
    answer = f"none: {response.reason}" if response.text is None else response.text or "(empty)"
    if response.likelihoods is not None:
        likeliest = sorted(response.likelihoods.items(), key=lambda pair: -pair[1])
        answer = "\n".join(f"{value:.3f} nat: {choice}" for choice, value in likeliest)
    tokens = "" if response.thought_tokens is None else f" ({response.thought_tokens:,} tokens)"
    texts = [
        ("case", verdict.case.prompt),
        ("reference", reference),
        (f"thought, not judged{tokens}", response.thought or ""),
        (f"answer of {response.subject}", answer),
        (f"scores (by {', '.join(dict.fromkeys(verdict.judges.values()))})", scores),
        ("reason", verdict.reason or ""),
        ("votes", _votes(verdict)),
        ("unscored", "\n".join(sorted({u.text for u in verdict.unscored.values()}))),
    ]
    return render(_TEMPLATES / "case.html", texts=[(name, text) for name, text in texts if text])


def test_id(nodeid: str) -> str:
    """The table cell with a test's name, which pytest-html does not escape."""
    return f'<td class="col-testId">{escape(nodeid)}</td>'


def _votes(verdict: Verdict) -> str:
    """The scores and reasons of each vote, or nothing if there is only one vote."""
    if len(verdict.votes) < 2:
        return ""
    return "\n".join(
        f"{', '.join(f'{m} {s:g}' for m, s in vote.scores.items())}: {vote.reasons}"
        for vote in verdict.votes
    )


def _table(benchmark: Benchmark, metrics: list[Metric]) -> dict[str, Any]:
    """The template values of a table with a row per subject and a column per measure."""
    cells = {(m.subject, m.measure): m for m in metrics}
    measures = list(dict.fromkeys(m.measure for m in metrics))
    rows = []
    for subject in dict.fromkeys(m.subject for m in metrics):
        of_subject = [cells[subject, measure] for measure in measures]
        rows.append(
            {
                "subject": subject,
                "cells": [_cell(benchmark, metric) for metric in of_subject],
                "n": min(metric.n for metric in of_subject),
                "unscored": max(metric.unscored for metric in of_subject),
            }
        )
    return {"name": benchmark.name, "measures": measures, "rows": rows}


def _cell(benchmark: Benchmark, metric: Metric) -> dict[str, Any]:
    notes = [change_text(metric)] if metric.change else []
    if metric.spread is not None:
        notes.append(f"vote spread {metric.spread:.2f}")
    return {"value": value_text(metric, benchmark[metric.measure]), "notes": notes}


def _facts(run: Run) -> list[tuple[str, str]]:
    """The facts of the run, as pairs of name and text."""
    facts, profile = run.facts, run.facts["profile"]
    commit = facts.get("commit")
    dirty = " with uncommitted changes" if facts.get("dirty") else ""
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    counts = ", ".join(f"{v} {k}" for k, v in facts["counts"].items())
    return [
        ("profile", f"{profile['name']} ({profile['digest'][:12]})"),
        ("commit", f"{commit}{dirty}" if commit else "not in a git repository"),
        ("run", f"{facts['started']} to {facts['finished']}"),
        ("cases", f"{share_text(run)} ({counts})"),
        *(("subjects", line) for line in built(run)),
        *(("fingerprint", text) for text in _fingerprints(facts)),
        *(("judges", line) for line in map(_judges, facts["protocol"].items())),
        *(("cost", line) for line in spending(run)),
        ("versions", versions),
        ("machine", ", ".join(f"{k} {v}" for k, v in facts["machine"].items())),
        *(("note", note) for note in facts["notes"]),
    ]


def _judges(entry: tuple[str, dict[str, Any]]) -> str:
    """The judges of a benchmark: ``gsm8k: exact, openai (gpt-4o-mini)``."""
    benchmark, protocol = entry
    judges = (
        f"{judge} ({settings['model']})" if "model" in settings else judge
        for judge, settings in protocol.items()
    )
    return f"{benchmark}: {', '.join(judges)}"


def _fingerprints(facts: dict[str, Any]) -> list[str]:
    """The fingerprint of each subject that is a model."""
    models = [s for s in facts.get("subjects", ()) if isinstance(s.get("fingerprint"), str)]
    return [f"{s['name']}: {s['fingerprint'][:16]}" for s in models]
