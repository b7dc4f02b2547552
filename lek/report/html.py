"""A finished run and its verdicts -> HTML fragments for pytest-html. All text is escaped.

The fragments carry no script and load nothing; a fuller report is not covered here.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

from lek.benchmarks.benchmark import Benchmark
from lek.records import Metric, Verdict
from lek.report.terminal import built, change_text, cost_lines, value_text
from lek.runs.run import Run

STYLE = """<style>
.lek table {border-collapse: collapse; margin: 0 0 1.2em; font-size: 13px}
.lek th, .lek td {border: 1px solid #ddd; padding: 4px 10px; text-align: right}
.lek th:first-child, .lek td:first-child {text-align: left}
.lek th {background: #f6f6f6; font-weight: 600}
.lek .change {display: block; color: #666; font-size: 12px}
.lek td.why, .lek th.why {text-align: left}
.lek td, .lek th, .lek-case {color: #222}
.lek td.passed {color: #0a7d33} .lek td.failed {color: #b00020}
.lek td.unmeasured {color: #a15c00} .lek td.not-selected {color: #777}
.logwrapper:not(:has(.lek-case)) .log {height: auto; min-height: 0}
.logwrapper {min-height: 0} .logwrapper:has(.lek-case) {max-height: none}
.logwrapper .log:has(.lek-case) {height: auto; max-height: none; white-space: normal}
.lek-case dt {font-weight: 600; margin-top: .5em} .lek-case dd {margin: 0 0 0 1em}
.lek-case pre {white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit}
</style>"""


def summary(run: Run) -> str:
    """The table, the gates and the run's facts, for the top of the page."""
    blocks = [
        _benchmark(benchmark, [m for m in run.metrics if m.benchmark == name])
        for name, benchmark in run.benchmarks.items()
    ]
    parts = [STYLE, *filter(None, blocks), _gates(run), _facts(run)]
    return f'<div class="lek">{"".join(parts)}</div>'


def case(verdict: Verdict) -> str:
    """One test: the case, the answer, the scores and the judge's reason."""
    response = verdict.response
    scores = ", ".join(
        f"{measure} {'unscored' if score is None else format(score, 'g')}"
        for measure, score in verdict.scores.items()
    )
    reference = "\n".join(
        f"{key}: {'; '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in verdict.case.reference.items()
    )
    pairs = [
        ("case", verdict.case.prompt),
        ("reference", reference),
        (f"answer of {response.subject}", response.text or f"none: {response.reason}"),
        (f"scores (by {', '.join(dict.fromkeys(verdict.judges.values()))})", scores),
        ("reason", verdict.reason or ""),
        ("votes", _votes(verdict)),
        ("unscored", "\n".join(sorted({u.text for u in verdict.unscored.values()}))),
    ]
    rows = (f"<dt>{escape(k)}</dt><dd><pre>{escape(v)}</pre></dd>" for k, v in pairs if v)
    return f'<dl class="lek-case">{"".join(rows)}</dl>'


def _votes(verdict: Verdict) -> str:
    """Every vote where there are several, each with its reasons."""
    if len(verdict.votes) < 2:
        return ""
    return "\n".join(
        f"{', '.join(f'{m} {s:g}' for m, s in vote.scores.items())}: {vote.reasons}"
        for vote in verdict.votes
    )


def _benchmark(benchmark: Benchmark, metrics: list[Metric]) -> str:
    if not metrics:
        return ""
    cells = {(m.subject, m.measure): m for m in metrics}
    measures = list(dict.fromkeys(m.measure for m in metrics))
    subjects = dict.fromkeys(m.subject for m in metrics)
    rows = (_row(s, benchmark, [cells[s, m] for m in measures]) for s in subjects)
    head = _head([benchmark.name, *measures, "n", "unscored"])
    return f"<table>{head}{''.join(rows)}</table>"


def _head(names: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr>"


def _row(subject: str, benchmark: Benchmark, metrics: list[Metric]) -> str:
    cells = [f"<td>{escape(subject)}</td>"]
    for metric in metrics:
        change = change_text(metric)
        below = f'<span class="change">{escape(change)}</span>' if change else ""
        if metric.spread is not None:
            below += f'<span class="change">votes apart by {metric.spread:.2f}</span>'
        cells.append(f"<td>{escape(value_text(metric, benchmark[metric.measure]))}{below}</td>")
    cells.append(f"<td>{min(m.n for m in metrics)}</td>")
    cells.append(f"<td>{max(m.unscored for m in metrics)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _gates(run: Run) -> str:
    if not run.gates:
        return ""
    rows = (
        f'<tr><td>{escape(g.rule)}</td><td class="{g.ruling.replace(" ", "-")}">{g.ruling}</td>'
        f'<td class="why">{escape(g.why)}</td></tr>'
        for g in run.gates
    )
    head = '<tr><th>gate</th><th>ruling</th><th class="why">why</th></tr>'
    return f"<table>{head}{''.join(rows)}</table>"


def _facts(run: Run) -> str:
    facts, profile = run.facts, run.facts["profile"]
    commit = facts.get("commit")
    dirty = " with uncommitted changes" if facts.get("dirty") else ""
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    counts = ", ".join(f"{v} {k}" for k, v in facts["counts"].items())
    pairs = [
        ("profile", f"{profile['name']} ({profile['digest'][:12]})"),
        ("commit", f"{commit}{dirty}" if commit else "not in a git repository"),
        ("run", f"{facts['started']} to {facts['finished']}"),
        ("cases", counts),
        *(("subjects", line) for line in built(run)),
        *(("fingerprint", text) for text in _fingerprints(facts)),
        *(("judges", line) for line in map(_judges, facts["protocol"].items())),
        *(("cost", line) for line in cost_lines(facts.get("cost"))),
        ("versions", versions),
        ("machine", ", ".join(f"{k} {v}" for k, v in facts["machine"].items())),
        *(("note", note) for note in facts["notes"]),
    ]
    rows = (f'<tr><td>{escape(k)}</td><td class="why">{escape(v)}</td></tr>' for k, v in pairs)
    return f"<table>{''.join(rows)}</table>"


def _judges(entry: tuple[str, dict[str, Any]]) -> str:
    """Who judged a benchmark: ``truthfulqa: gemini (gemini-2.0-flash), degeneration_detector``."""
    benchmark, protocol = entry
    judges = (
        f"{judge} ({how['model']})" if "model" in how else judge for judge, how in protocol.items()
    )
    return f"{benchmark}: {', '.join(judges)}"


def _fingerprints(facts: dict[str, Any]) -> list[str]:
    """The fingerprint of each model that was asked."""
    asked = [s for s in facts.get("subjects", ()) if isinstance(s.get("fingerprint"), str)]
    return [f"{s['name']}: {s['fingerprint'][:16]}" for s in asked]


def test_id(nodeid: str) -> str:
    """The cell of a test's name; pytest-html itself puts it in unescaped."""
    return f'<td class="col-testId">{escape(nodeid)}</td>'
