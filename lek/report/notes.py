"""Remarks on a run: what is unscored, pending, lost or left out, one sentence each."""

from collections.abc import Iterator
from typing import Any

from lek.runs.run import Run


def notes(run: Run) -> Iterator[str]:
    """The remarks on ``run``, the most important ones first."""
    counts = run.facts["counts"]
    if counts["lost"]:
        yield lost(run)
    if counts["pending"]:
        yield pending(run)
    for reason in run.facts["unscored"]:
        if reason["code"] != "judge_unavailable":
            yield unscored(reason)
    yield from run.facts.get("notes", ())


def unscored(reason: dict[str, Any]) -> str:
    """The number of verdicts without a score for one reason, and the first texts."""
    texts = [t["text"] + (f" ({t['count']})" if t["count"] > 1 else "") for t in reason["texts"]]
    more = f"; and {len(texts) - 3} more, in verdicts.jsonl" if len(texts) > 3 else ""
    code = reason["code"].replace("_", " ")
    return f"unscored, {code} ({reason['count']}): {'; '.join(texts[:3])}{more}"


def pending(run: Run) -> str:
    """How many answers could not be judged, why, and what to do."""
    count = run.facts["counts"]["pending"]
    reasons = [
        reason["texts"][0]["text"]
        for reason in run.facts["unscored"]
        if reason["code"] == "judge_unavailable"
    ]
    answers = "1 answer" if count == 1 else f"{count} answers"
    return f"{answers} could not be judged ({reasons[0]}). The next run asks only for these."


def lost(run: Run) -> str:
    """How many selected tests gave no verdict, and the first of them."""
    names, count = run.facts["lost"], run.facts["counts"]["lost"]
    text = f"{count} selected tests without a verdict: {', '.join(names)}"
    return text + (f" and {count - len(names)} more" if count > len(names) else "")
