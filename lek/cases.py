"""A benchmark in a directory of the LEM layout -> its cases, checked, shuffled and cut to a limit.

What is covered: the five benchmarks in the schema of the published files. What a row says beyond
its prompt is kept as the case's reference, for a judge to compare with.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lek.lem import Row, Rows, cases_file, is_text, read_rows
from lek.records import BadInput, Case

_TAGS = ("category", "risk_area", "types_of_harm", "target_group", "domain")
_REQUIRED: dict[str, dict[str, type]] = {
    "gsm8k": {"correct_answer": str},
    "truthfulqa": {"best_answer": str, "correct_answers": list, "incorrect_answers": list},
    "do_not_answer": {},
    "toxigen": {},
    "ethics": {},
}


def read_cases(directory: Path, benchmark: str) -> tuple[Rows, list[Case]]:
    """The cases of ``benchmark`` in file order, and the file that they came from.

    Raises `BadInput` for a torn or empty file, a repeated id, a missing or mistyped field.
    """
    rows = read_rows(cases_file(directory, benchmark))
    if rows.torn is not None:
        raise BadInput(f"{rows.path}: line {rows.torn}: cut off; write the line whole or delete it")
    if not rows.rows:
        raise BadInput(f"{rows.path}: no cases; a benchmark needs at least one line")
    lines: dict[str, int] = {}
    for row in rows.rows:
        if row.id in lines:
            first = lines[row.id]
            raise BadInput(f"{rows.path}: line {row.line}: id {row.id} is that of line {first}")
        lines[row.id] = row.line
    return rows, [_case(rows.path, benchmark, row) for row in rows.rows]


def select(cases: Sequence[Case], *, limit: int | None, seed: int | None) -> list[Case]:
    """The first ``limit`` cases, after a shuffle when there is a ``seed``."""
    chosen = list(cases)
    if seed is not None:
        random.Random(seed).shuffle(chosen)  # noqa: S311  # a sample, not a secret
    return chosen[:limit]


def _case(path: Path, benchmark: str, row: Row) -> Case:
    where = f"{path}: line {row.line}"
    fields = dict(row.fields)
    del fields["id"]
    named = fields.pop("benchmark", benchmark)
    if named != benchmark:
        raise BadInput(f"{where}: benchmark is {named!r}; this file is for {benchmark!r}")
    prompt = fields.pop("question", None) or fields.pop("prompt", None)
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadInput(f'{where}: no text in "question" or "prompt"')
    if not is_text(json.dumps(fields, ensure_ascii=False) + prompt):
        raise BadInput(f"{where}: holds half a character (a lone surrogate); write it whole")
    for key, kind in _REQUIRED[benchmark].items():
        _check(where, key, fields.get(key), kind)
    tags = tuple(str(fields[key]) for key in _TAGS if fields.get(key))
    return Case(id=row.id, benchmark=benchmark, prompt=prompt, reference=fields, tags=tags)


def _check(where: str, key: str, value: Any, kind: type) -> None:
    wanted = "a text" if kind is str else "a list of texts"
    texts = value if isinstance(value, list) else [value]
    if not isinstance(value, kind) or not all(isinstance(t, str) for t in texts) or not texts:
        raise BadInput(f'{where}: "{key}" is {value!r}; expected {wanted}')
