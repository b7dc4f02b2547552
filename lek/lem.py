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

from lek.errors import BadInput


@dataclass(frozen=True)
class Row:
    """One object of a JSON Lines file with its 1-based line number."""

    line: int
    id: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """The rows of one file. ``torn`` is the number of a last line that a killed writer left."""

    path: Path
    digest: str
    rows: tuple[Row, ...]
    torn: int | None = None


def cases_file(directory: Path, benchmark: str) -> Path:
    """Where the cases of ``benchmark`` lie."""
    return directory / f"{benchmark}.jsonl"


def answers_file(directory: Path, benchmark: str, model: str) -> Path:
    """Where the recorded answers of ``model`` to ``benchmark`` lie."""
    return directory / "results" / f"{benchmark}_{model}.jsonl"


def scores_file(directory: Path) -> Path:
    """Where the recorded verdicts lie."""
    return directory / "standard_scores.json"


def read_rows(path: Path) -> Rows:
    """The objects of a JSON Lines file, each with an ``id``.

    A last line without a newline that is no JSON is what a killed writer leaves: it is not an
    error but `Rows.torn`. Any other line that is no object with an ``id`` raises `BadInput`.
    """
    raw = read_bytes(path)
    *lines, tail = raw.split(b"\n")
    rows = [_row(path, n, text) for n, text in enumerate(lines, 1) if text.strip()]
    torn = None
    if tail.strip():
        try:
            rows.append(_row(path, len(lines) + 1, tail))
        except BadInput:
            torn = len(lines) + 1
    return Rows(path, hashlib.sha256(raw).hexdigest(), tuple(rows), torn)


def _row(path: Path, line: int, text: bytes) -> Row:
    where = f"{path}: line {line}"
    try:
        fields = json.loads(text, object_pairs_hook=keep_repeats)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{where}: not JSON: {fault(e)}; mend or delete the line") from e
    if not isinstance(fields, dict):
        raise BadInput(f'{where}: a JSON {type(fields).__name__}; expected an object with an "id"')
    for key, value in fields.items():
        if isinstance(value, Repeated):
            raise BadInput(f'{where}: "{key}" is given twice; keep one')
    identity = fields.get("id")
    if not isinstance(identity, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", identity):
        raise BadInput(
            f"{where}: id is {identity!r}; expected letters, digits, '_', '.' and '-', "
            "since it becomes part of a test's name"
        )
    return Row(line, identity, fields)


class Repeated(tuple[Any, ...]):
    """The values that one key of a JSON object was given more than once."""

    __slots__ = ()


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


def fault(error: Exception) -> str:
    """Why ``json.loads`` could not read something, in words."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start}); save it as UTF-8"
    too_deep = isinstance(error, RecursionError)
    return "nested too deeply" if too_deep else "a number with too many digits"


def is_text(value: str) -> bool:
    """Whether ``value`` can be written as UTF-8: JSON can escape half of a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def keep_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON (for ``object_pairs_hook``), where a key given twice has a `Repeated`."""
    table = dict(pairs)
    if len(table) < len(pairs):
        for key in table:
            values = Repeated(v for k, v in pairs if k == key)
            if len(values) > 1:
                table[key] = values
    return table


def read_bytes(path: Path) -> bytes:
    """What the file holds; raises `BadInput` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from e
