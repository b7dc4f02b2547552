"""The LEM directory layout: the paths of its files, and the recorded scores.

The rows of the files are interpreted by `lek.data.cases`, `lek.data.recorded` and
`lek.judges.recorded`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lek.data.tables import Repeated, fault, keep_repeats, read_bytes
from lek.errors import BadInput
from lek.text.encoding import decode


def responses_file(directory: Path, benchmark: str, model: str) -> Path:
    """Return the path of the recorded answers of ``model`` to ``benchmark``."""
    return directory / "results" / f"{benchmark}_{model}.jsonl"


def scores_file(directory: Path, name: str | None = None) -> Path:
    """Return the path of the recorded verdicts, in the file ``name`` if it is not the usual one."""
    return directory / (name or "standard_scores.json")


@dataclass(frozen=True)
class Scores:
    """The content of a file of recorded verdicts, such as ``standard_scores.json``.

    ``scores`` maps a benchmark to its models, a model to case ids, and a case id to measures.
    ``digest``: SHA-256 of the file. ``text``: the whole file, to find line numbers.
    """

    path: Path
    digest: str
    text: str
    scores: dict[str, Any]

    def of(self, benchmark: str, model: str) -> dict[str, Any] | None:
        """Return the records of one benchmark and model, by case id; ``None`` if there are none.

        Raises `BadInput` if they are not a JSON object, or a key occurs twice.
        """
        models = self._table(self.scores.get(benchmark), benchmark)
        return self._table(models.get(model), f"{benchmark}.{model}") if models else None

    def _table(self, value: Any, key: str) -> Any:
        if value is None or isinstance(value, dict):
            return value
        kind = "given twice" if isinstance(value, Repeated) else f"a {type(value).__name__}"
        raise BadInput(f"{self.path}: scores.{key}: {kind}; expected one object")

    def line(self, *keys: str) -> int:
        """Return the line number of nested ``keys``; each is searched for after the previous."""
        at = 0
        for key in keys:
            match = re.compile(rf"{re.escape(json.dumps(key))}\s*:").search(self.text, at)
            at = match.start() if match else at
        return self.text.count("\n", 0, at) + 1


def read_scores(path: Path) -> Scores:
    """Read the recorded verdicts at ``path``.

    Raises `BadInput` if the file cannot be read, or is not a JSON object with ``scores``.
    """
    raw = read_bytes(path)
    try:
        text = decode(raw)
        content = json.loads(text, object_pairs_hook=keep_repeats)
    except json.JSONDecodeError as e:
        raise BadInput(f"{path}: line {e.lineno}: not JSON: {e.msg}") from e
    except RecursionError as e:
        raise BadInput(f"{path}: not JSON: {fault(e)}") from e
    except ValueError as e:
        raise BadInput(f"{path}: {e}") from e
    scores = content.get("scores") if isinstance(content, dict) else None
    if not isinstance(scores, dict):
        raise BadInput(f'{path}: expected {{"scores": {{benchmark: {{model: {{id: ...}}}}}}}}')
    return Scores(path, hashlib.sha256(raw).hexdigest(), text, scores)
