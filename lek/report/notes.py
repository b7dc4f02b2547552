"""Notes on a run: what is lost, pending, unscored or left out, one sentence each."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lek.runs.run import Run


class Note(NamedTuple):
    """A sentence. ``severe``: because of it the run is not complete."""

    text: str
    severe: bool = False


def notes(run: Run) -> Iterator[Note]:
    """The notes on ``run``, the severe ones first."""
    counts = run.facts["counts"]
    if counts["lost"]:
        yield Note(_lost(run), severe=True)
    if counts["pending"]:
        yield Note(_pending(run), severe=True)
    for reason in run.facts["unscored"]:
        if reason["code"] != "judge_unavailable":
            yield Note(_unscored(reason))
    for text in run.facts.get("notes", ()):
        yield Note(text)


def _lost(run: Run) -> str:
    """How many selected tests gave no verdict, and the first of them."""
    names, count = run.facts["lost"], run.facts["counts"]["lost"]
    text = f"{count} selected tests without a verdict: {', '.join(names)}"
    return text + (f" and {count - len(names)} more" if count > len(names) else "")


def _pending(run: Run) -> str:
    """How many answers could not be judged, why, and what to do."""
    count = run.facts["counts"]["pending"]
    reasons = [
        reason["texts"][0]["text"]
        for reason in run.facts["unscored"]
        if reason["code"] == "judge_unavailable"
    ]
    answers = "1 answer" if count == 1 else f"{count} answers"
    return f"{answers} could not be judged ({reasons[0]}). The next run asks only for these."


def _unscored(reason: dict[str, Any]) -> str:
    """The number of verdicts without a score for one reason, and the first texts."""
    texts = [t["text"] + (f" ({t['count']})" if t["count"] > 1 else "") for t in reason["texts"]]
    more = f"; and {len(texts) - 3} more, in verdicts.jsonl" if len(texts) > 3 else ""
    code = reason["code"].replace("_", " ")
    return f"unscored, {code} ({reason['count']}): {'; '.join(texts[:3])}{more}"
