"""Tables in files: rows of named values from JSON Lines, JSON, CSV, TSV or Parquet.

One reader serves cases, recorded answers, prompts and chats. A file may be compressed with gzip,
and a text may have any encoding of `lek.text.encoding`.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.text.encoding import MOST_BYTES, decode, unpack

_MOST_ROWS = 10**7
_LONGEST_CELL = 10**8  # characters


@dataclass(frozen=True)
class Row:
    """One row of a table. ``place``: where it stands in the file, such as ``line 3``.

    ``id``: the value of the column ``id``; for a table without this column, the number of the row.
    """

    place: str
    fields: dict[str, Any]
    id: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of a file or data set.

    ``name``: the path, or the name of the data set, for messages. ``digest``: SHA-256 of the file,
    or of the rows. ``torn``: the line number of an incomplete last line, which a killed writer
    leaves; ``None`` if there is none. ``textual``: whether all values are texts, as in CSV.
    """

    name: str
    digest: str
    rows: tuple[Row, ...]
    torn: int | None = None
    textual: bool = False


class Repeated(tuple[Any, ...]):
    """The values of a key that occurs more than once in a JSON object."""

    __slots__ = ()


def read_table(path: Path) -> Table:
    """Read the rows of a file, whose suffix names its format.

    ``.jsonl``, ``.json`` (a list of objects), ``.csv``, ``.tsv`` or ``.parquet``, also with
    ``.gz``. Blank lines are skipped. A last line of JSON Lines that has no newline and is not valid
    is no error, but reported as `Table.torn`. Raises `BadInput` if the file cannot be read, or for
    the first row that is not an object or has other cells than the header.
    """
    raw = read_bytes(path)
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    reader = _READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise BadInput(f"{path}: expected a file that ends in {', '.join(_READERS)} (or .gz)")
    try:
        rows, torn = reader(str(path), unpack(raw))
    except ValueError as e:
        if isinstance(e, BadInput):
            raise
        raise BadInput(f"{path}: {e}") from e
    textual = suffixes[-1] in (".csv", ".tsv")
    return Table(str(path), hashlib.sha256(raw).hexdigest(), tuple(rows), torn, textual)


def with_ids(table: Table, *, numbered: bool = False) -> Table:
    """``table`` with the id of each row; an integer becomes a text.

    ``numbered``: the rows of a table without a column ``id`` get their numbers, counted from 1.
    Raises `BadInput` for an id that is missing or cannot be part of a test's name.
    """
    if numbered and table.rows and all("id" not in row.fields for row in table.rows):
        width = len(str(len(table.rows)))
        rows = [replace(row, id=f"{n:0{width}}") for n, row in enumerate(table.rows, 1)]
    else:
        rows = [replace(row, id=_id(table, row)) for row in table.rows]
    return replace(table, rows=tuple(rows))


def _id(table: Table, row: Row) -> str:
    given = row.fields.get("id")
    identity = str(given) if type(given) is int else given
    if not isinstance(identity, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", identity):
        raise BadInput(
            f"{table.name}: {row.place}: id is {given!r}; ids start with a letter or digit and may "
            "contain letters, digits, '_', '.' and '-' (they become part of test names)"
        )
    return identity


def both(first: str, second: str) -> str:
    """The places of two rows: ``lines 1 and 2``."""
    noun, _, number = first.rpartition(" ")
    other_noun, _, other = second.rpartition(" ")
    return f"{noun}s {number} and {other}" if noun == other_noun else f"{first} and {second}"


def read_bytes(path: Path) -> bytes:
    """Return the content of a file; raise `BadInput` if it cannot be read or is too large."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path}: larger than {MOST_BYTES // 2**20:,} MB; give a part of it")
        return path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from e


_Read = tuple[list[Row], int | None]


def _json_lines(name: str, raw: bytes) -> _Read:
    *lines, tail = decode(raw).split("\n")
    rows = [_json_row(name, n, text) for n, text in enumerate(lines, 1) if text.strip()]
    torn = None
    if tail.strip():
        try:
            rows.append(_json_row(name, len(lines) + 1, tail))
        except BadInput:
            torn = len(lines) + 1
    return rows, torn


def _json_row(name: str, line: int, text: str) -> Row:
    where = f"{name}: line {line}"
    try:
        fields = json.loads(text, object_pairs_hook=keep_repeats)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{where}: not JSON: {fault(e)}; correct or delete the line") from e
    return _object(where, f"line {line}", fields)


def _object(where: str, place: str, fields: Any) -> Row:
    if not isinstance(fields, dict):
        kind = "null" if fields is None else type(fields).__name__
        raise BadInput(f"{where}: a JSON {kind}; expected an object")
    for key, value in fields.items():
        if isinstance(value, Repeated):
            raise BadInput(f'{where}: "{key}" is given twice; keep one')
    return Row(place, fields)


def _json(name: str, raw: bytes) -> _Read:
    try:
        content = json.loads(decode(raw), object_pairs_hook=keep_repeats)
    except json.JSONDecodeError as e:
        raise BadInput(f"{name}: line {e.lineno}: not JSON: {e.msg}") from e
    except RecursionError as e:
        raise BadInput(f"{name}: nested too deeply") from e
    if not isinstance(content, list):
        raise BadInput(f"{name}: a JSON {type(content).__name__}; expected a list of objects")
    entries = enumerate(content, 1)
    return [_object(f"{name}: entry {i}", f"entry {i}", entry) for i, entry in entries], None


def _separated(delimiter: str) -> Callable[[str, bytes], _Read]:
    def read(name: str, raw: bytes) -> _Read:
        limit = csv.field_size_limit(_LONGEST_CELL)
        try:
            return list(_cells(name, decode(raw), delimiter)), None
        finally:
            csv.field_size_limit(limit)

    return read


def _cells(name: str, text: str, delimiter: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        start = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as e:
            raise BadInput(f"{name}: line {start}: {e}; quote the cells that need it") from e
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_header(f"{name}: line {start}", header)
        elif len(cells) != len(header):
            raise BadInput(
                f"{name}: line {start}: {len(cells)} cells, but the header has {len(header)}; "
                "quote cells that contain separators"
            )
        else:
            yield Row(f"line {start}", dict(zip(header, cells, strict=True)))


def _check_header(where: str, header: Sequence[str]) -> None:
    for column in header:
        if not column:
            raise BadInput(f"{where}: a column without a name; name it or delete it")
        if header.count(column) > 1:
            raise BadInput(f"{where}: two columns '{column}'; rename one")


def _parquet(name: str, raw: bytes) -> _Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        metadata = file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if size > MOST_BYTES or metadata.num_rows > _MOST_ROWS:
            raise BadInput(f"{name}: too large when unpacked; give a part of it")
        records = file.read().to_pylist()
    except (pa.ArrowException, OSError) as e:
        raise BadInput(f"{name}: not Parquet: {str(e).splitlines()[0]}") from e
    return [Row(f"row {i}", fields) for i, fields in enumerate(records, 1)], None


_READERS: Mapping[str, Callable[[str, bytes], _Read]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": _parquet,
}
SUFFIXES = tuple(_READERS)


def fault(error: Exception) -> str:
    """Return a short description of an error that ``json.loads`` raised."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
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
