"""Read JSON Lines files as numbered rows; detect incomplete last lines and repeated keys."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lek.errors import BadInput


@dataclass(frozen=True)
class Row:
    """One object of a JSON Lines file. ``line``: its line number, counted from 1."""

    line: int
    id: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """The rows of one file.

    ``digest``: SHA-256 of the file. ``torn``: the line number of an incomplete last line, which a
    killed writer leaves; ``None`` if there is none.
    """

    path: Path
    digest: str
    rows: tuple[Row, ...]
    torn: int | None = None


def read_rows(path: Path) -> Rows:
    """Read the objects of a JSON Lines file, each with an ``id``; blank lines are skipped.

    A last line without a newline that is not valid is what a killed writer leaves: it is not an
    error but reported as `Rows.torn`. Raises `BadInput` for any other line that is not an object
    with a valid ``id``, and if the file cannot be read.
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
        raise BadInput(f"{where}: not JSON: {fault(e)}; correct or delete the line") from e
    if not isinstance(fields, dict):
        raise BadInput(f'{where}: a JSON {type(fields).__name__}; expected an object with an "id"')
    for key, value in fields.items():
        if isinstance(value, Repeated):
            raise BadInput(f'{where}: "{key}" is given twice; keep one')
    identity = fields.get("id")
    if not isinstance(identity, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", identity):
        raise BadInput(
            f"{where}: id is {identity!r}; ids start with a letter or digit and may contain "
            "letters, digits, '_', '.' and '-' (they become part of test names)"
        )
    return Row(line, identity, fields)


class Repeated(tuple[Any, ...]):
    """The values of a key that occurs more than once in a JSON object."""

    __slots__ = ()


def fault(error: Exception) -> str:
    """Return a short description of an error that ``json.loads`` raised."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start}); save it as UTF-8"
    too_deep = isinstance(error, RecursionError)
    return "nested too deeply" if too_deep else "a number with too many digits"


def is_text(value: str) -> bool:
    """Whether ``value`` can be encoded as UTF-8; JSON escapes can contain lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def keep_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a ``dict`` as ``object_pairs_hook`` of JSON; a repeated key gets a `Repeated`."""
    table = dict(pairs)
    if len(table) < len(pairs):
        for key in table:
            values = Repeated(v for k, v in pairs if k == key)
            if len(values) > 1:
                table[key] = values
    return table


def read_bytes(path: Path) -> bytes:
    """Return the content of a file; raise `BadInput` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from e
