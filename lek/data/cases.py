"""Read the cases of a benchmark from a directory in the LEM layout, and select some of them.

The fields of a row other than its prompt are the case's reference, which a judge compares with. The
benchmark defines which fields a row must have, and their types.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import Benchmark, Field
from lek.data.jsonl import Row, Rows, is_text, read_rows
from lek.data.lem import cases_file
from lek.errors import BadInput
from lek.records import Case


def read_cases(directory: Path, benchmark: Benchmark) -> tuple[Rows, list[Case]]:
    """Return the rows of the case file of ``benchmark``, and its cases in file order.

    Raises `BadInput` if the file is empty or its last line is incomplete, for a repeated id, and
    for a missing field or one of the wrong type.
    """
    rows = read_rows(cases_file(directory, benchmark.name))
    if rows.torn is not None:
        raise BadInput(f"{rows.path}: line {rows.torn}: incomplete; complete the line or delete it")
    if not rows.rows:
        raise BadInput(f"{rows.path}: no cases; a benchmark needs at least one line")
    lines: dict[str, int] = {}
    for row in rows.rows:
        if row.id in lines:
            first = lines[row.id]
            raise BadInput(
                f"{rows.path}: line {row.line}: id {row.id} is already used in line {first}"
            )
        lines[row.id] = row.line
    return rows, [_case(rows.path, benchmark, row) for row in rows.rows]


def select(cases: Sequence[Case], *, limit: int | None, seed: int | None) -> list[Case]:
    """Return the first ``limit`` cases, shuffled first if ``seed`` is given."""
    selected = list(cases)
    if seed is not None:
        random.Random(seed).shuffle(selected)  # noqa: S311  # a sample, not a secret
    return selected[:limit]


def _case(path: Path, benchmark: Benchmark, row: Row) -> Case:
    where = f"{path}: line {row.line}"
    fields = dict(row.fields)
    del fields["id"]
    name = fields.pop("benchmark", benchmark.name)
    if name != benchmark.name:
        raise BadInput(f"{where}: benchmark is {name!r}; this file is for {benchmark.name!r}")
    prompt = fields.pop("question", None) or fields.pop("prompt", None)
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadInput(f'{where}: no text in "question" or "prompt"')
    if not is_text(json.dumps(fields, ensure_ascii=False) + prompt):
        raise BadInput(f"{where}: contains a lone surrogate; replace it")
    for field in benchmark.fields:
        if field.required or fields.get(field.name) is not None:
            _check_type(where, field, fields.get(field.name))
    tags = tuple(str(fields[f.name]) for f in benchmark.fields if f.tag and fields.get(f.name))
    return Case(id=row.id, benchmark=benchmark.name, prompt=prompt, reference=fields, tags=tags)


def _check_type(where: str, field: Field, value: Any) -> None:
    """Raise `BadInput` unless ``value`` has the type of ``field``."""
    if field.type == "any":
        if value is None and field.required:
            raise BadInput(f'{where}: "{field.name}" is missing')
        return
    expected = {"text": "a text", "texts": "a list of texts", "number": "a number"}[field.type]
    if field.type == "number":
        valid = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        texts = value if isinstance(value, list) and field.type == "texts" else [value]
        valid = bool(texts) and all(isinstance(text, str) for text in texts)
        valid = valid and isinstance(value, list) == (field.type == "texts")
    if not valid:
        raise BadInput(f'{where}: "{field.name}" is {value!r}; expected {expected}')
