"""Runs that are made from verdicts, without data files."""

from collections.abc import Sequence
from typing import Any

from lek.records import Case, Response, Ruling, Unscored, Verdict
from lek.runs.run import Run
from lek.stats.metrics import metric
from support.benchmarks import BENCHMARKS


def made_verdict(
    subject: str,
    number: int,
    scores: dict[str, float | None],
    text: str | None = "an answer",
    *,
    benchmark: str = "truthfulqa",
    prompt: str = "a question",
    reference: dict[str, Any] | None = None,
    **more: Any,
) -> Verdict:
    """The verdict on the answer ``text`` of ``subject`` to case ``number``; ``None``: no answer.

    ``more``: further fields of the verdict, or of its response.
    """
    name = f"Q{number:05d}"
    names = set(Response.__struct_fields__) - set(Verdict.__struct_fields__) | {"seconds"}
    of_response = {key: more.pop(key) for key in list(more) if key in names}
    if text is None and "likelihoods" not in of_response:
        of_response["reason"] = "no answer was recorded"
    unscored = {
        measure: Unscored(code="invalid_reply", text="the reply has no score")
        for measure, score in scores.items()
        if score is None
    }
    return Verdict(
        case=Case(id=name, benchmark=benchmark, prompt=prompt, reference=reference or {}),
        response=Response(subject=subject, case=name, text=text, **of_response),
        scores=dict(scores),
        judges=dict.fromkeys(scores, "recorded"),
        **{"unscored": unscored, **more},
    )


def made_run(verdicts: Sequence[Verdict], gates: Sequence[Ruling] = (), **facts: Any) -> Run:
    """The run of a profile with the baseline ``base``, with all metrics computed."""
    benchmarks = {v.case.benchmark: BENCHMARKS[v.case.benchmark] for v in verdicts}
    scores: dict[tuple[str, str, str], dict[str, float | None]] = {}
    for v in verdicts:
        for measure, score in v.scores.items():
            key = v.case.benchmark, v.response.subject, measure
            scores.setdefault(key, {})[v.case.id] = score
    metrics = [
        metric(
            subject,
            benchmark,
            benchmarks[benchmark][measure],
            by_case,
            ("base", scores[benchmark, "base", measure])
            if subject != "base" and (benchmark, "base", measure) in scores
            else None,
        )
        for (benchmark, subject, measure), by_case in scores.items()
    ]
    counts = dict.fromkeys(("unscored", "lost", "pending"), 0)
    counts |= dict.fromkeys(("planned", "evaluated", "selected", "verdicts"), len(verdicts))
    return Run(
        {
            "profile": {
                "name": "made",
                "digest": "0" * 64,
                "content": {"baseline": "base", "description": "Made for a test."},
            },
            "started": "2026-01-01T00:00:00Z",
            "finished": "2026-01-01T00:00:01Z",
            "commit": "0123456789abcdef",
            "dirty": False,
            "versions": {"python": "3.11"},
            "machine": {"system": "Linux"},
            "subjects": [],
            "benchmarks": {name: b.describe() for name, b in benchmarks.items()},
            "protocol": {
                name: {"recorded": {"measures": b.measure_names}} for name, b in benchmarks.items()
            },
            "counts": counts,
            "unscored": [],
            "lost": [],
            "notes": [],
            "cost": None,
            **facts,
        },
        metrics,
        list(gates),
        list(verdicts),
    )
