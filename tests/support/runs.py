"""Runs made of verdicts, without a session.

RECONSTRUCTED from its uses in tests/report/test_page.py: another session overwrote the original by
accident. Compare it with the original, and delete this paragraph.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lek.benchmarks.benchmark import shipped
from lek.records import Case, Metric, Response, Ruling, Unscored, Verdict, Vote
from lek.runs.run import Run
from lek.stats.metrics import metric

BENCHMARK = shipped()["truthfulqa"]


def made_verdict(
    subject: str,
    n: int,
    scores: Mapping[str, float | None],
    text: str | None,
    *,
    prompt: str = "What is tea?",
    reference: dict[str, Any] | None = None,
    reason: str | None = None,
    votes: tuple[Vote, ...] = (),
    unscored: dict[str, Unscored] | None = None,
    **response: Any,
) -> Verdict:
    """Return the verdict on the answer ``text`` of ``subject`` to case ``n`` of truthfulqa.

    ``response``: other fields of the response.
    """
    case = Case(id=f"Q{n:05d}", benchmark=BENCHMARK.name, prompt=prompt, reference=reference or {})
    if text is None and "likelihoods" not in response:
        response["reason"] = "no answer was recorded"
    if unscored is None:
        missing = Unscored(code="invalid_reply", text="the reply has no score")
        unscored = {measure: missing for measure, score in scores.items() if score is None}
    return Verdict(
        case=case,
        response=Response(subject=subject, case=case.id, text=text, **response),
        scores=dict(scores),
        unscored=unscored,
        reason=reason,
        judges=dict.fromkeys(scores, "recorded"),
        votes=votes,
    )


def made_run(verdicts: Sequence[Verdict], gates: Sequence[Ruling] = (), **facts: Any) -> Run:
    """Return the run with these verdicts and gates; ``facts`` replace those of the run."""
    missing = sum(bool(verdict.unscored) for verdict in verdicts)
    return Run(
        {
            "profile": {"name": "made", "digest": "0", "content": {"baseline": "base"}},
            "started": "2026-01-01T00:00:00Z",
            "finished": "2026-01-01T00:01:00Z",
            "commit": None,
            "dirty": None,
            "versions": {"python": "3.11"},
            "machine": {"system": "Linux"},
            "subjects": [],
            "benchmarks": {BENCHMARK.name: BENCHMARK.describe()},
            "protocol": {},
            "decoding": {},
            "cost": None,
            "answering": None,
            "counts": {
                "planned": len(verdicts),
                "evaluated": len(verdicts),
                "selected": len(verdicts),
                "verdicts": len(verdicts),
                "unscored": missing,
                "lost": 0,
                "pending": 0,
            },
            "unscored": [],
            "lost": [],
            "notes": [],
            **facts,
        },
        _metrics(verdicts),
        list(gates),
        list(verdicts),
    )


def _metrics(verdicts: Sequence[Verdict]) -> list[Metric]:
    scores: dict[tuple[str, str], dict[str, float | None]] = {}
    for verdict in verdicts:
        for measure, score in verdict.scores.items():
            scores.setdefault((verdict.response.subject, measure), {})[verdict.case.id] = score
    return [
        metric(
            subject,
            BENCHMARK.name,
            BENCHMARK[measure],
            by_case,
            ("base", scores["base", measure]) if ("base", measure) in scores else None,
        )
        for (subject, measure), by_case in scores.items()
    ]
