"""Tables: one reader for formats, encodings and compression; errors name file and place."""

import codecs
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lek.data.tables import read_table, with_ids
from lek.errors import BadInput

ROWS = [
    {"id": "a1", "question": 'What, "exactly"?', "answer": "1,200"},
    {"id": "a2", "question": "Two\nlines\u2028and é 😀", "answer": "1e3"},
]


def json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def separated(rows: list[dict[str, Any]], delimiter: str) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


TEXTS: dict[str, Callable[[], str]] = {
    "jsonl": lambda: json_lines(ROWS),
    "json": lambda: json.dumps(ROWS),
    "csv": lambda: separated(ROWS, ","),
    "tsv": lambda: separated(ROWS, "\t"),
}
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("suffix", TEXTS)
def test_all_formats_and_encodings_give_the_same_rows(
    tmp_path: Path, suffix: str, encoding: str, packed: bool
) -> None:
    raw = ENCODINGS[encoding](TEXTS[suffix]())
    file = tmp_path / f"cases.{suffix}{'.gz' if packed else ''}"
    file.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)
    table = with_ids(read_table(file))
    assert [row.fields for row in table.rows] == ROWS
    assert [row.id for row in table.rows] == ["a1", "a2"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv"])
def test_windows_line_ends(tmp_path: Path, suffix: str) -> None:
    rows = [{"id": "a", "q": "one"}, {"id": "b", "q": "two"}]
    text = json_lines(rows) if suffix == "jsonl" else separated(rows, ",\t"[suffix == "tsv"])
    file = tmp_path / f"t.{suffix}"
    file.write_bytes(text.replace("\r\n", "\n").replace("\n", "\r\n").encode() + b"\r\n")
    assert [row.fields for row in read_table(file).rows] == rows


@pytest.mark.parametrize("packed", [False, True])
def test_parquet(tmp_path: Path, packed: bool) -> None:
    rows = [{"id": 1, "answers": ["a", "b"], "n": 1.5}, {"id": 2, "answers": [], "n": None}]
    file = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    if packed:
        raw = file.read_bytes()
        file = tmp_path / "t.parquet.gz"
        file.write_bytes(gzip.compress(raw, mtime=0))
    table = with_ids(read_table(file))
    assert [row.fields for row in table.rows] == rows
    assert [(row.id, row.place) for row in table.rows] == [("1", "row 1"), ("2", "row 2")]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("t.xlsx", b"", "expected a file that ends in .jsonl, .json, .csv, .tsv, .parquet"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "line 2: a JSON list; expected an object"),
        ("t.jsonl", b'{"a": 1}\nnull\n', "line 2: a JSON null; expected an object"),
        ("t.jsonl", b'{"a": 1, "a": 2}\n', 'line 1: "a" is given twice; keep one'),
        ("t.jsonl", b'{"a": }\n', "line 1: not JSON: Expecting value"),
        ("t.jsonl", b'{"a": "\xff"}\n', "line 1: not UTF-8 (byte 7); save it as UTF-8"),
        ("t.jsonl", '{"a": 1}\n'.encode("utf-16-le"), "contains zero bytes, as UTF-16"),
        ("t.jsonl", b"\x1f\x8b\x08\x00cut", "not a complete gzip file"),
        (
            "t.jsonl.gz",
            gzip.compress(b'{"a": 1}\n' * 999, mtime=0)[:40],
            "not a complete gzip file",
        ),
        ("t.json", b"{}", "a JSON dict; expected a list of objects"),
        ("t.json", b"[1]", "entry 1: a JSON int; expected an object"),
        ("t.json", b"[\n{]", "line 2: not JSON"),
        ("t.csv", b"a,b\n1,2\n3\n", "line 3: 1 cells, but the header has 2"),
        ("t.csv", b"a,b\n1,2,3\n", "line 2: 3 cells, but the header has 2"),
        ("t.csv", b"a,a\n1,2\n", "line 1: two columns 'a'; rename one"),
        ("t.csv", b"a,\n1,2\n", "line 1: a column without a name"),
        ("t.csv", b'a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("t.parquet", b"PAR1 nothing", "not Parquet: "),
    ],
)
def test_errors_name_file_and_place(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_table(file)
    assert str(caught.value).startswith(f"{file}: {error}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"t\.csv: cannot be read: No such file"):
        read_table(tmp_path / "t.csv")


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lek.data.tables.MOST_BYTES", 1000)
    monkeypatch.setattr("lek.text.encoding.MOST_BYTES", 1000)
    large = tmp_path / "large.jsonl"
    large.write_bytes(b" " * 1001)
    with pytest.raises(BadInput, match="larger than"):
        read_table(large)
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b"\n" * 100_000, mtime=0))
    with pytest.raises(BadInput, match="when unpacked; give a part of it"):
        read_table(bomb)


def test_an_incomplete_last_line_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"id": "a"}\n{"id": "b", "tex')
    table = read_table(file)
    assert (len(table.rows), table.torn) == (1, 2)


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("q\n" + "x\n" * 12)
    assert [row.id for row in with_ids(read_table(file), numbered=True).rows][:2] == ["01", "02"]
    with pytest.raises(BadInput, match="line 2: id is None"):
        with_ids(read_table(file))


@pytest.mark.parametrize("value", ["", "a b", "../x", True, 1.5, None, ["a"]])
def test_ids_that_cannot_be_part_of_a_test_name_are_errors(tmp_path: Path, value: Any) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(json_lines([{"id": "good"}, {"id": value}]))
    with pytest.raises(BadInput, match="line 2: id is "):
        with_ids(read_table(file), numbered=True)
