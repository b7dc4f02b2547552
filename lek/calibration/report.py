"""Format calibration results as terminal lines, JSON and HTML.

In all three, control characters are replaced; in HTML everything is escaped.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

from lek.calibration.agreement import Agreement, Calibration, Estimate, Means
from lek.report.template import render
from lek.report.terminal import cost_lines
from lek.stats.intervals import CONFIDENCE

SCHEMA = 1
WORST = 20
_NO_ORDER = "fewer than two subjects have scores"
_PAGE = Path(__file__).with_name("page.html")


def swaps(means: Sequence[Means]) -> list[dict[str, Any]] | None:
    """The pairs of subjects that record and judge order differently, by their means alone.

    A tie must be one for both. ``None`` for fewer than two subjects with scores.
    """
    known = [(m.recorded, m.judged, m.subject) for m in means if m.recorded is not None]
    order = sorted(((r, j, s) for r, j, s in known if j is not None), reverse=True)
    found = [
        {"higher": a, "lower": b, "recorded": r1 - r2, "judged": j1 - j2}
        for (r1, j1, a), (r2, j2, b) in combinations(order, 2)
        if (r1 == r2) != (j1 == j2) or j1 < j2  # r1 >= r2, as sorted
    ]
    return found if len(order) > 1 else None


def worst(result: Calibration) -> list[dict[str, Any]]:
    """The answers furthest apart in points, over all measures, with their texts in full."""
    apart: list[dict[str, Any]] = [
        {"benchmark": p.case.benchmark, "measure": measure, "subject": p.response.subject}
        | {"case": p.case.id, "recorded": scores[0], "judged": scores[1]}
        | {"prompt": p.case.prompt, "reference": p.case.reference, "answer": p.response.text}
        | {"recorded_reason": p.reasons.get(measure) or None, "judged_reason": p.verdict.reason}
        for p in result.pairs
        for measure in p.recorded
        if p.verdict and (scores := p.scores(measure)) is not None and scores[0] != scores[1]
    ]
    return sorted(apart, key=lambda d: -abs(d["recorded"] - d["judged"]))[:WORST]


def lines(
    result: Calibration,
    width: int = 80,
    *,
    cost: Mapping[str, Any] | None = None,
    spread: Mapping[str, float] | None = None,
) -> list[str]:
    """``result`` for a terminal, in lines of at most ``width`` columns.

    ``cost`` is what the judge cost, ``spread`` how far its votes lie apart, by measure.
    """
    shown = [_title(result), *_notes(result)]
    for a in result.agreements:
        shown += ["", *(f"{'  ' * (i > 0)}{fact}" for i, fact in enumerate(_facts(result, a)))]
        longest = max(len(m.subject) for m in a.means)
        for name, recorded, judged, apart, n in _rows(result, a):
            cells = f"recorded {recorded:>6}  judge {judged:>6}  {apart}  n={n}"
            shown.append(f"  {name:<{longest}}  {cells}")
    shown += ["", f"the {len(found := worst(result))} furthest apart"]
    for d in found:
        said, why = (
            strip_control_characters(d[key] or "-", "") for key in ("answer", "judged_reason")
        )
        shown += [f"  {_apart(d)}"]
        shown += [f"    {shorten(t, width - 4)}" for t in (f"answer: {said}", f"judge: {why}")]
    if spread:
        apart = ", ".join(f"{measure} {value:.2f}" for measure, value in spread.items())
        shown += ["", f"spread of votes (max - min): {apart}"]
    shown += ["", *cost_lines(cost)] if cost else []
    texts = (strip_control_characters(line, "") for line in shown)
    return [part for t in texts for part in wrap(t, width, subsequent_indent="      ") or [""]]


def document(
    result: Calibration,
    protocol: Mapping[str, Any],
    *,
    cost: Mapping[str, Any] | None = None,
    spread: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """``result`` as plain values for JSON; ``protocol`` as in `CalibrationRun.protocol`.

    ``cost`` and ``spread`` are as in `lines`.
    """
    files = "".join(f"{name} {digest}\n" for name, digest in sorted(result.digests.items()))
    data = {"directory": result.directory, "verdicts": result.verdicts, "files": result.digests}
    measures = []
    for a in result.agreements:
        swapped = swaps(a.means)
        why = _NO_ORDER if swapped is None else None
        order = {"same": None if why else not swapped, "swapped": swapped, "why": why}
        measures.append(asdict(a) | {"order": order, "why_unjudged": _unjudged(result, a)})
    found = {
        "schema": SCHEMA,
        "judge": result.judge,
        "protocol": dict(protocol),
        "data": data | {"digest": sha256(files.encode()).hexdigest()},
        "confidence": CONFIDENCE,
        "resamples": result.resamples,
        "seed": result.seed,
        "notes": _notes(result),
        "measures": measures,
        "worst": worst(result),
        "cost": cost,
        "spread": dict(spread or {}),
    }
    return {key: _clean(value) for key, value in found.items()}


def page(result: Calibration, protocol: Mapping[str, Any]) -> str:
    """``result`` as HTML without scripts; ``protocol`` as in `CalibrationRun.protocol`."""
    found = document(result, protocol)
    keys = ("prompt", "reference", "answer", "recorded_reason", "judged_reason")
    about = {k: found[k] for k in ("protocol", "data", "confidence", "resamples", "seed")}
    return render(
        _PAGE,
        title=_shown(_title(result)),
        notes=found["notes"],
        measures=[
            {
                "name": name,
                "facts": [_shown(fact) for fact in facts],
                "rows": [[_shown(cell) for cell in row] for row in _rows(result, a)],
            }
            for a in result.agreements
            for name, *facts in [_facts(result, a)]
        ],
        worst=[
            {
                "summary": _shown(_apart(d)),
                "texts": [(k.replace("_", " "), _shown(d[k] or "none")) for k in keys],
            }
            for d in found["worst"]
        ],
        about=_shown(about),
    )


def _title(result: Calibration) -> str:
    return f"judge {result.judge} against {result.verdicts} of {result.directory}"


def _notes(result: Calibration) -> list[str]:
    lost = sum(p.verdict is not None and p.verdict.pending for p in result.pairs)
    note = f"incomplete: {lost} answers could not be judged; the next run asks only for these"
    return [note, *result.notes] if lost else [*result.notes]


def _unjudged(result: Calibration, a: Agreement) -> dict[str, int]:
    """Reasons why answers with a recorded score were not judged, the most frequent first."""
    mute = [p for p in result.pairs if p.recorded.get(a.measure) is not None]
    why = Counter[str]()
    for pair in mute:
        unscored = pair.verdict.unscored.get(a.measure) if pair.verdict else None
        if unscored is not None or pair.verdict is None:
            why[unscored.text if unscored else "no usable answer"] += 1
    return dict(why.most_common())


def _facts(result: Calibration, a: Agreement) -> list[str]:
    """The measure with its counts, the coefficients, the order of the subjects, what is missing."""
    show = result.measure(a).text
    left = ((a.unrecorded, "unrecorded"), (a.unjudged, "unjudged"))
    out = ", ".join(f"{n} {what}" for n, what in left if n)
    facts = [f"{a.benchmark}.{a.measure}  n={a.n}{f', left out: {out}' if out else ''}"]
    facts += [f"Spearman {_estimate(a.rho)}", f"weighted kappa {_estimate(a.kappa)}"]
    swapped = swaps(a.means)
    same = f"unknown: {_NO_ORDER}" if swapped is None else "NOT the same" if swapped else "the same"
    facts.append(f"order of subjects: {same}")
    for s in swapped or ():
        both = f"recorded {show(s['recorded'], sign=True)}, judge {show(s['judged'], sign=True)}"
        facts.append(f"{s['higher']} over {s['lower']}: {both}")
    return facts + [f"unjudged {n}: {why}" for why, n in [*_unjudged(result, a).items()][:3]]


def _rows(result: Calibration, a: Agreement) -> list[tuple[str, ...]]:
    """Per subject: its name, both means, their difference, the number of answers."""
    show = result.measure(a).text
    rows = []
    for m in a.means:
        sides = ("-" if v is None else show(v) for v in (m.recorded, m.judged))
        difference = _estimate(m.difference, partial(show, sign=True))
        rows.append((m.subject, *sides, difference, str(m.n)))
    return rows


def _estimate(e: Estimate, show: Callable[[float], str] = "{:.2f}".format) -> str:
    if e.value is None or e.low is None or e.high is None:
        return f"{'none' if e.value is None else show(e.value)} ({e.why})"
    return f"{show(e.value)} [{show(e.low)}, {show(e.high)}]"


def _apart(d: Mapping[str, Any]) -> str:
    scores = f"recorded {d['recorded']:.4g}, judge {d['judged']:.4g}"
    return f"{d['measure']}, {d['subject']} {d['case']}: {scores}"


def strip_control_characters(text: str, kept: str = "\n\t\u200c\u200d") -> str:
    """``text`` without control characters; joiners are kept for scripts and emoji."""
    hidden = {c for c in text if not c.isprintable()} - {*kept}
    return text.translate({ord(c): " " if c.isspace() else "\ufffd" for c in hidden})


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return strip_control_characters(value)
    if isinstance(value, Mapping):
        return {strip_control_characters(str(k)): _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list | tuple) else value


def _shown(value: object) -> str:
    """A text without control characters; anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return strip_control_characters(text)
