"""A directory of the LEM layout -> its rows and scores, with every fault by file and line.

What is covered: where the files lie, JSON Lines with a torn tail, repeated keys in the scores.
What the rows mean is for `cases`, `backends.recorded` and `judges.recorded`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lek.data.jsonl import Repeated, fault, keep_repeats, read_bytes
from lek.errors import BadInput


def cases_file(directory: Path, benchmark: str) -> Path:
    """Where the cases of ``benchmark`` lie."""
    return directory / f"{benchmark}.jsonl"


def responses_file(directory: Path, benchmark: str, model: str) -> Path:
    """Where the recorded answers of ``model`` to ``benchmark`` lie."""
    return directory / "results" / f"{benchmark}_{model}.jsonl"


def scores_file(directory: Path) -> Path:
    """Where the recorded verdicts lie."""
    return directory / "standard_scores.json"


@dataclass(frozen=True)
class Scores:
    """``standard_scores.json``: benchmark -> model -> case id -> measures."""

    path: Path
    digest: str
    text: str
    scores: dict[str, Any]

    def of(self, benchmark: str, model: str) -> dict[str, Any] | None:
        """What is recorded for one benchmark and model, by case id; ``None`` where nothing is."""
        models = self._table(self.scores.get(benchmark), benchmark)
        return self._table(models.get(model), f"{benchmark}.{model}") if models else None

    def _table(self, value: Any, key: str) -> Any:
        if value is None or isinstance(value, dict):
            return value
        kind = "given twice" if isinstance(value, Repeated) else f"a {type(value).__name__}"
        raise BadInput(f"{self.path}: scores.{key}: {kind}; expected one object")

    def line(self, *keys: str) -> int:
        """The line on which the nested ``keys`` stand (each sought after the one before)."""
        at = 0
        for key in keys:
            found = re.compile(rf"{re.escape(json.dumps(key))}\s*:").search(self.text, at)
            at = found.start() if found else at
        return self.text.count("\n", 0, at) + 1


def read_scores(path: Path) -> Scores:
    """The recorded verdicts at ``path``; raises `BadInput` when they are no such object."""
    raw = read_bytes(path)
    try:
        text = raw.decode()
        content = json.loads(text, object_pairs_hook=keep_repeats)
    except (ValueError, RecursionError) as e:
        at = f"line {e.lineno}: " if isinstance(e, json.JSONDecodeError) else ""
        raise BadInput(f"{path}: {at}not JSON: {fault(e)}") from e
    scores = content.get("scores") if isinstance(content, dict) else None
    if not isinstance(scores, dict):
        raise BadInput(f'{path}: expected {{"scores": {{benchmark: {{model: {{id: ...}}}}}}}}')
    return Scores(path, hashlib.sha256(raw).hexdigest(), text, scores)
