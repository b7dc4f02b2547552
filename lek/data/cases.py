"""Make the cases of a benchmark from the rows of a table, and select some of them.

The fields of a row other than its prompt are the case's reference, which a judge compares with. The
benchmark defines which fields a row must have, and their types.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lek.benchmarks.benchmark import Benchmark, Column, Field
from lek.data.tables import Row, Table, is_text, with_ids
from lek.errors import BadInput
from lek.records import Case

_LIST_SEPARATOR = "; "  # in a cell, as in the CSV of TruthfulQA's authors


def make_cases(
    table: Table, benchmark: Benchmark, columns: Sequence[tuple[str, Column]] = ()
) -> list[Case]:
    """Return the cases in the rows of ``table``, in order.

    ``columns``: the columns by the name of the case's field; then other columns are left out. Rows
    without a column ``id`` are numbered. Raises `BadInput` if the table is empty or its last line
    is incomplete, for a repeated id, and for a missing field or one of the wrong type.
    """
    if table.torn is not None:
        raise BadInput(
            f"{table.name}: line {table.torn}: incomplete; complete the line or delete it"
        )
    if not table.rows:
        raise BadInput(f"{table.name}: no cases; a benchmark needs at least one")
    if columns:
        rows = tuple(_mapped(table, row, columns) for row in table.rows)
        table = replace(table, rows=rows)
    places: dict[str, str] = {}
    cases = []
    for row in with_ids(table, numbered=True).rows:
        if row.id in places:
            where = f"{table.name}: {row.place}"
            raise BadInput(f"{where}: id {row.id} is already used in {places[row.id]}")
        places[row.id] = row.place
        cases.append(_case(table, benchmark, row))
    return cases


def _mapped(table: Table, row: Row, columns: Sequence[tuple[str, Column]]) -> Row:
    """``row`` with the fields that ``columns`` names, and no others."""
    fields = {}
    for field, column in columns:
        if column.name not in row.fields:
            found = ", ".join(map(str, row.fields)) or "none"
            raise BadInput(
                f"{table.name}: {row.place}: no column '{column.name}' for {field}; there are "
                f"{found}"
            )
        value = row.fields[column.name]
        if column.after is not None:
            _, mark, value = str(value).rpartition(column.after)
            if not mark:
                raise BadInput(f"{table.name}: {row.place}: no '{column.after}' in '{column.name}'")
            value = value.strip()
        if column.label is not None:
            value = _labelled(f"{table.name}: {row.place}", column, value)
        fields[field] = value
    return Row(row.place, fields)


def _labelled(where: str, column: Column, value: Any) -> list[Any]:
    """The choices in ``value`` that have the label of ``column``."""
    if isinstance(value, dict) and {"choices", "labels"} <= value.keys():
        choices, labels = value["choices"], value["labels"]
        if isinstance(choices, list) and isinstance(labels, list) and len(choices) == len(labels):
            pairs = zip(choices, labels, strict=True)
            return [choice for choice, label in pairs if label == column.label]
    raise BadInput(
        f"{where}: '{column.name}' is {str(value)[:80]!r}; expected choices and labels, two lists "
        "of the same length"
    )


def select(cases: Sequence[Case], *, limit: int | None, seed: int | None) -> list[Case]:
    """Return the first ``limit`` cases, shuffled first if ``seed`` is given."""
    selected = list(cases)
    if seed is not None:
        random.Random(seed).shuffle(selected)  # noqa: S311  # a sample, not a secret
    return selected[:limit]


def _case(table: Table, benchmark: Benchmark, row: Row) -> Case:
    where = f"{table.name}: {row.place}"
    fields = dict(row.fields)
    fields.pop("id", None)
    other = fields.pop("benchmark", benchmark.name)
    if other != benchmark.name:
        raise BadInput(f"{where}: benchmark is {other!r}; this file is for {benchmark.name!r}")
    prompt = fields.pop("question", None) or fields.pop("prompt", None)
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadInput(f'{where}: no text in "question" or "prompt"')
    for field in benchmark.fields:
        given = fields.get(field.name)
        if given in (None, "") and not field.required:
            fields.pop(field.name, None)
        else:
            fields[field.name] = _value(where, field, given, textual=table.textual)
    try:
        written = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as e:
        raise BadInput(f"{where}: a value is no text, number or list: {e}") from e
    if not is_text(written + prompt):
        raise BadInput(f"{where}: contains a lone surrogate; replace it")
    tags = tuple(str(fields[f.name]) for f in benchmark.fields if f.tag and fields.get(f.name))
    return Case(id=row.id, benchmark=benchmark.name, prompt=prompt, reference=fields, tags=tags)


def _value(where: str, field: Field, value: Any, *, textual: bool) -> Any:
    """``value`` with the type of ``field``; raises `BadInput` if it has another one.

    ``textual``: ``value`` is a cell of CSV. For a number it is read as one, and for a list as JSON
    or as texts separated by "; ". A number may stand for a text.
    """
    expected = {"text": "a text", "texts": "a list of texts", "number": "a number"}
    valid = value is not None
    if field.type == "number":
        value = _number(value) if textual and isinstance(value, str) else value
        valid = isinstance(value, int | float) and not isinstance(value, bool)
    elif field.type == "texts":
        value = _texts(value) if textual and isinstance(value, str) else value
        valid = isinstance(value, list) and bool(value)
        valid = valid and all(isinstance(text, str) for text in value)
    elif field.type == "text":
        value = str(value) if type(value) in (int, float) else value
        valid = isinstance(value, str)
    if not valid:
        if field.type == "any":
            raise BadInput(f'{where}: "{field.name}" is missing')
        raise BadInput(f'{where}: "{field.name}" is {value!r}; expected {expected[field.type]}')
    return value


def _number(text: str) -> float | str:
    """The number in a cell, or the cell itself."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


def _texts(cell: str) -> Any:
    """The texts in a cell: a JSON list, or separated by "; "."""
    if cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return [part.strip() for part in cell.split(_LIST_SEPARATOR) if part.strip()]
