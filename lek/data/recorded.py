"""Recorded answers of one model to one benchmark -> responses, found by case id and nothing else.

An answer that is missing, empty, an ``ERROR``, or given twice is no response: its reason names file
and line. Responses to unknown cases are noted and left out.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lek.data.jsonl import Row, Rows, is_text
from lek.errors import BadInput
from lek.records import Case, Response


@dataclass(frozen=True)
class RecordedResponses:
    """The answers of one subject to one benchmark, ready to be asked for."""

    subject: str
    rows: Rows
    answers: dict[str, Response]
    notes: tuple[str, ...]

    def prepare(
        self, cases: Sequence[Case], on_response: Callable[[Case, Response], None] | None
    ) -> None:
        """Tell ``on_response`` of all: the answers were read when the session was planned."""
        if on_response is not None:
            for case in cases:
                on_response(case, self.respond(case))

    def respond(self, case: Case) -> Response:
        """The answer recorded for ``case``, or a response that says why there is none."""
        found = self.answers.get(case.id)
        return found or _none(self.subject, case.id, f"{self.rows.path}: no answer to {case.id}")

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """The answers to ``cases``, all of which are there."""
        return {case.id: self.respond(case) for case in cases}


def read_responses(
    rows: Rows,
    subject: str,
    *,
    benchmark: str,
    model: str,
    known: Collection[str],
    keep_empty: bool = False,
) -> RecordedResponses:
    """The answers in ``rows``; ``known`` are the ids of all cases of the benchmark.

    An empty answer is a response without a text, or with ``keep_empty`` one whose text is empty.

    Raises `BadInput` when a row says that it belongs to another model or benchmark.
    """
    answers: dict[str, Response] = {}
    lines: dict[str, int] = {}
    unknown: list[Row] = []
    for row in rows.rows:
        _check_origin(rows, row, benchmark=benchmark, model=model)
        if row.id not in known:
            unknown.append(row)
        elif row.id in lines:
            why = f"{rows.path}: lines {lines[row.id]} and {row.line} both answer {row.id}"
            answers[row.id] = _none(subject, row.id, why)
        else:
            lines[row.id] = row.line
            where = f"{rows.path}: line {row.line}"
            answers[row.id] = _response(subject, row, where, keep_empty=keep_empty)
    notes = []
    if unknown:
        first, more = unknown[0], f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        notes.append(f"{rows.path}: line {first.line}: no such case: {first.id}{more}; left out")
    if rows.torn is not None:
        notes.append(f"{rows.path}: line {rows.torn}: cut off; left out")
    return RecordedResponses(subject, rows, answers, tuple(notes))


def _check_origin(rows: Rows, row: Row, **expected: str) -> None:
    for key, value in expected.items():
        if row.fields.get(key, value) != value:
            raise BadInput(
                f"{rows.path}: line {row.line}: {key} is {row.fields[key]!r}; "
                f"this file is for {value!r}"
            )


def _response(subject: str, row: Row, where: str, *, keep_empty: bool) -> Response:
    text = row.fields.get("response")
    if not isinstance(text, str):
        return _none(subject, row.id, f"{where}: the response is {text!r}, not a text")
    if not is_text(text):
        return _none(subject, row.id, f"{where}: the response holds half a character (a surrogate)")
    if not text.strip() and not keep_empty:
        return _none(subject, row.id, f"{where}: the response is empty")
    if re.match(r"\s*\[?ERROR\b", text):
        return _none(subject, row.id, f"{where}: the response is an error: {text[:120]!r}")
    seconds = _seconds(row.fields.get("elapsed_seconds"))
    return Response(subject=subject, case=row.id, text=text, seconds=seconds)


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < 1e12 else None


def _none(subject: str, case: str, why: str) -> Response:
    return Response(subject=subject, case=case, text=None, reason=why)
