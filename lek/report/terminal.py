"""The terminal summary of a run: styled lines of a given width.

The gates come first, as sentences. Each benchmark has a table with a row per subject: mean and 95%
interval of each measure, and on the next line the relative change from the baseline. Unscored
cases, costs and notes follow.
"""

import re
import textwrap
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from lek.benchmarks.benchmark import DETECTORS, Benchmark, Measure
from lek.profile.schema import JUDGE_KINDS
from lek.records import Metric
from lek.report.notes import notes
from lek.runs.run import Run

Style = Literal["", "bold", "green", "red", "yellow", "light"]
_RULING_STYLE: dict[str, Style] = {
    "passed": "green",
    "failed": "red",
    "unmeasured": "yellow",
    "not selected": "light",
}
_STATISTIC = re.compile(r"\b([np]) ([=<]) (\d)")  # is not broken at line ends
_CELL_WIDTH = 31


class Line(NamedTuple):
    """One line of text, and its style on terminals with colour."""

    text: str
    style: Style = ""


def summary(run: Run, width: int = 80) -> list[Line]:
    """The summary of ``run`` in lines of at most ``width`` columns (at least 60)."""
    width = max(width, 60)
    lines = _gates(run, width)
    if (judged := judges_text(run)) is not None:
        lines += _wrapped(f"  {judged}", width, "light")
    lines += [Line("")] if lines else []
    if run.metrics:
        legend = "mean [95% interval]"
        baselines = {m.change.against for m in run.metrics if m.change}
        legend += f"; next line: relative change from {min(baselines)}" if baselines else ""
        lines += [Line(legend, "light"), Line("")]
    for name, benchmark in run.benchmarks.items():
        metrics = [m for m in run.metrics if m.benchmark == name]
        if metrics:
            protocol = run.facts.get("protocol", {}).get(name, {})
            judges = {
                m: kind for kind, scored in protocol.items() for m in scored.get("measures", ())
            }
            lines += _table(benchmark, metrics, judges, width)
    for text in built(run):
        lines += _wrapped(text, width, "light")
    lines += [Line("")] if built(run) else []
    complete = run.facts["counts"]["evaluated"] == run.facts["counts"]["planned"]
    lines += _wrapped(share_text(run), width, "light" if complete else "yellow")
    for text in spending(run):
        lines += _wrapped(text, width, "light")
    for note in notes(run):
        lines += _wrapped(note.text, width, "red" if note.severe else "yellow")
    return lines


def share_text(run: Run) -> str:
    """Which share of the planned cases was evaluated: ``evaluated 100 of 250 cases (40%)``."""
    evaluated, planned = run.facts["counts"]["evaluated"], run.facts["counts"]["planned"]
    if evaluated == planned:
        return f"evaluated all {planned:,} planned cases"
    return f"evaluated {evaluated:,} of {planned:,} planned cases ({evaluated / planned:.0%})"


def built(run: Run) -> list[str]:
    """Lines on the subjects that are models: their numeric format, and effects of abliteration."""
    subjects = [s for s in run.facts.get("subjects", ()) if s.get("form")]
    lines = [f"all subjects in {subjects[0]['form']}"] if subjects else []
    for subject in subjects:
        effects = (subject["build"] or {}).get("abliteration")
        if effects:
            partial = effects.get("partial_refusals_after", 0)
            lines.append(
                f"{subject['name']}, on held-out prompts: "
                f"refuses {effects['refusals_before']:.0%} -> {effects['refusals_after']:.0%} "
                f"of {effects['harmful_prompts']} harmful"
                f"{f' ({partial:.0%} only at first)' if partial else ''}, "
                f"complies with {effects['harmless_compliance_before']:.0%} -> "
                f"{effects['harmless_compliance_after']:.0%} "
                f"of {effects['harmless_prompts']} harmless; "
                f"KL {effects['first_token_kl']:.3f} nat at the first token, "
                f"{effects['answer_token_kl']:.3f} per answer token"
                f"{f'; {note}' if (note := effects.get('note')) else ''}"
            )
    return lines


def _table(
    benchmark: Benchmark, metrics: list[Metric], judges: Mapping[str, str], width: int
) -> list[Line]:
    """The table of ``benchmark``; ``judges``: what scored each measure.

    Measures that detectors scored are single lines below it, unless the benchmark has no others:
    then only coherence is.
    """
    subjects = list(dict.fromkeys(m.subject for m in metrics))
    names = list(dict.fromkeys(m.measure for m in metrics))
    below = [n for n in names if judges.get(n, benchmark[n].source) in DETECTORS]
    if all(m.detected for m in benchmark.measures):
        below = [n for n in below if benchmark[n].source == "degeneration_detector"]
    measures = [name for name in names if name not in below]
    cells = {(m.subject, m.measure): m for m in metrics}
    first = max(max(map(len, subjects)) + 2, len(benchmark.name) + 1)
    per_block = max(1, (width - first) // _CELL_WIDTH)
    lines = []
    for start in range(0, len(measures), per_block):
        shown = measures[start : start + per_block]
        head = f"{benchmark.name:<{first}}" + "".join(f"{m:>{_CELL_WIDTH}}" for m in shown)
        lines.append(Line(head, "bold"))
        for subject in subjects:
            row = [cells[subject, m] for m in shown]
            values = "".join(f"{value_text(m, benchmark[m.measure]):>{_CELL_WIDTH}}" for m in row)
            lines.append(Line(f"  {subject:<{first - 2}}{values}"))
            if any(m.change for m in row):
                changes = "".join(f"{change_text(m):>{_CELL_WIDTH}}" for m in row)
                lines.append(Line(" " * first + changes, "light"))
    if not measures:
        lines.append(Line(benchmark.name, "bold"))
    for name in below:
        present = [s for s in subjects if (s, name) in cells]
        means = {s: _mean(cells[s, name], benchmark[name]) for s in present}
        values = ", ".join(f"{subject} {mean}" for subject, mean in means.items())
        if len(means) > 1 and len(set(means.values())) == 1:
            values = f"{means[present[0]]} for all subjects"
        lines += _wrapped(f"  {name} (by detector): {values}", width, "")
    lines += _coverage(metrics, width)
    return [*lines, Line("")]


def _mean(metric: Metric, measure: Measure) -> str:
    return "unscored" if metric.value is None else measure.text(metric.value)


def value_text(metric: Metric, measure: Measure) -> str:
    """``4.90 [4.00, 5.82]``, ``4.90`` without an interval, or ``unscored`` without a mean."""
    text = measure.text
    if metric.value is None:
        return "unscored"
    if metric.low is None or metric.high is None:
        return text(metric.value)
    extra = measure.extra_decimals(metric.low, metric.high)
    low, high = (text(end, unit=False, extra=extra) for end in (metric.low, metric.high))
    return f"{text(metric.value)} [{low}, {high}]"


def change_text(metric: Metric) -> str:
    """``rel. +34.6% [+7.0%, +74.4%]``, the change relative to the baseline, or an empty text."""
    change = metric.change
    if change is None:
        return ""
    text = f"rel. {_per_cent(change.value)}"
    if change.low is None or change.high is None:
        return text
    return f"{text} [{_per_cent(change.low)}, {_per_cent(change.high)}]"


def _per_cent(fraction: float) -> str:
    return f"{fraction:+.0%}" if abs(fraction) >= 1 else f"{fraction:+.1%}"


def _coverage(metrics: list[Metric], width: int) -> list[Line]:
    """The number of cases behind the means, unscored cases, and spreads of votes."""
    per_subject: dict[str, tuple[int, int]] = {}
    for m in metrics:
        worst = per_subject.get(m.subject, (m.n, 0))
        per_subject[m.subject] = (min(worst[0], m.n), max(worst[1], m.unscored))
    sizes = {n + missing for n, missing in per_subject.values()}
    text = f"n = {'-'.join(map(str, sorted({min(sizes), max(sizes)})))}"
    missing = [f"{s} {k}" for s, (_, k) in per_subject.items() if k]
    if missing:
        text += f"; unscored: {', '.join(missing)}"
    lines = _wrapped(f"  {text}", width, "yellow" if missing else "light")
    for measure in dict.fromkeys(m.measure for m in metrics):
        spreads = [
            f"{m.subject} {m.spread:.2f}"
            for m in metrics
            if m.measure == measure and m.spread is not None
        ]
        if spreads:
            text = f"  spread of votes (max - min), {measure}: {', '.join(spreads)}"
            lines += _wrapped(text, width, "light")
    return lines


def _gates(run: Run, width: int) -> list[Line]:
    """The ruling on each selected gate, and the number of the others by reason."""
    if not run.gates:
        return []
    lines = [Line("gates", "bold")]
    for gate in run.selected_gates:
        lines += _wrapped(f"  {gate.sentence}", width, _RULING_STYLE[gate.ruling])
    for why, count in run.not_selected.items():
        text = f"  {count} gate{'s' * (count > 1)} not selected ({why})"
        lines += _wrapped(text, width, _RULING_STYLE["not selected"])
    return lines


def judges_text(run: Run) -> str | None:
    """Which LLM judges scored, or recorded verdicts: ``judged by openai (gpt-4o-mini, 3 votes)``.

    ``None`` if neither did.
    """
    evaluated = {metric.benchmark for metric in run.metrics}
    judges = {
        judge_text(kind, settings): None
        for benchmark, protocol in run.facts.get("protocol", {}).items()
        for kind, settings in protocol.items()
        if benchmark in evaluated and (kind == "recorded" or is_llm(kind))
    }
    return f"judged by {' and '.join(judges)}" if judges else None


def judge_text(kind: str, settings: Mapping[str, Any]) -> str:
    """A judge for display, with the ``settings`` in the protocol of a run."""
    name = "recorded verdicts" if kind == "recorded" else kind.replace("_", " ")
    details = [settings["model"]] if "model" in settings else []
    details += [f"{votes} votes"] if (votes := settings.get("votes", 1)) > 1 else []
    return f"{name} ({', '.join(details)})" if details else name


def is_llm(kind: str) -> bool:
    """Whether judges of ``kind`` are language models."""
    return kind in JUDGE_KINDS and JUDGE_KINDS[kind].is_llm


def _wrapped(text: str, width: int, style: Style) -> list[Line]:
    indent = " " * (len(text) - len(text.lstrip()))
    lines = textwrap.wrap(
        _STATISTIC.sub("\\1\0\\2\0\\3", text.strip()),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
    return [Line(line.replace("\0", " "), style) for line in lines]


def spending(run: Run) -> list[str]:
    """Lines on the cost of served subjects and of LLM judges, where there are some."""
    answering = cost_lines(run.facts.get("answering"), "answering")  # absent from older runs
    return answering + cost_lines(run.facts.get("cost"))


def cost_lines(cost: Mapping[str, Any] | None, what: str = "judging") -> list[str]:
    """Lines on the cost of ``what``: the total, and one per subject; none without ``cost``."""
    if cost is None:
        return []
    lines = [f"{what} cost: {_text(cost)}"]
    if cost["requests"]:
        lines += [f"  {name}: {_text(part)}" for name, part in cost["subjects"].items()]
    if unread := cost.get("unread"):  # absent from older runs
        replies = "1 reply was" if unread == 1 else f"{unread} replies were"
        lines.append(f"  {replies} not read, so the cost is not known exactly")
    return lines + ([f"  price unknown: {cost['reason']}"] if cost["reason"] else [])


def _text(cost: Mapping[str, Any]) -> str:
    text = f"{cost['requests']:,} request{'s' * (cost['requests'] != 1)}"
    least = "at least " if cost.get("unread") else ""
    if cost["prompt_tokens"] is not None and cost["completion_tokens"] is not None:
        text += f", {least}{cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens"
    money = [
        f"{least}{amount:.4f} {currency}" for currency, amount in (cost["money"] or {}).items()
    ]
    return ", ".join([text, *money])
