"""Read the recorded answers of one model to one benchmark, matched to cases by id alone.

An answer that is missing, empty, an ``ERROR`` or given twice becomes a response without text, whose
reason names file and line. Answers to unknown cases are left out, with a note.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lek.data.tables import Row, Table, both, is_text
from lek.errors import BadInput
from lek.records import NOT_RECORDED, Case, Response
from lek.text.thoughts import split


@dataclass(frozen=True)
class RecordedResponses:
    """The recorded answers of one subject to one benchmark; implements `Responses`.

    ``name`` and ``digest``: those of the file. ``answers``: the responses by case id. ``notes``:
    what was left out of the file, and why.
    """

    subject: str
    name: str
    digest: str
    answers: dict[str, Response]
    notes: tuple[str, ...]

    def prepare(
        self,
        cases: Sequence[Case],
        on_response: Callable[[Case, Response], None] | None,
        part: int = 0,
    ) -> None:
        """Call ``on_response`` for each case at once, because all answers are already read."""
        if on_response is not None:
            for case in cases:
                on_response(case, self.respond(case))

    def respond(self, case: Case) -> Response:
        """Return the recorded answer to ``case``, or a response with the reason for its absence."""
        response = self.answers.get(case.id)
        if response is None:
            reason = f"{self.name}: no answer to {case.id}"
            response = _missing(self.subject, case.id, reason)
        return response

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """Return the responses to ``cases``, by case id; none needs to be generated."""
        return {case.id: self.respond(case) for case in cases}


@dataclass(frozen=True)
class UnrecordedResponses:
    """The responses of ``subject`` to one benchmark, of which only verdicts were recorded."""

    subject: str

    def prepare(
        self,
        cases: Sequence[Case],
        on_response: Callable[[Case, Response], None] | None,
        part: int = 0,
    ) -> None:
        """Do nothing: there is no answer to judge."""

    def respond(self, case: Case) -> Response:
        """Return a response that says that the answer was not recorded."""
        return _missing(self.subject, case.id, NOT_RECORDED)

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """Return the responses to ``cases``, by case id."""
        return {case.id: self.respond(case) for case in cases}


def read_responses(
    table: Table,
    subject: str,
    *,
    benchmark: str,
    model: str,
    known: Collection[str],
    keep_empty: bool = False,
) -> RecordedResponses:
    """Return the answers in ``table``.

    ``known``: the ids of all cases of the benchmark. ``keep_empty``: whether an empty answer
    becomes a response with empty text; otherwise it becomes one without text. Raises `BadInput` if
    a row names another model or benchmark.
    """
    answers: dict[str, Response] = {}
    places: dict[str, str] = {}
    unknown: list[Row] = []
    for row in table.rows:
        _check_origin(table, row, benchmark=benchmark, model=model)
        if row.id not in known:
            unknown.append(row)
        elif row.id in places:
            reason = f"{table.name}: {both(places[row.id], row.place)} both answer {row.id}"
            answers[row.id] = _missing(subject, row.id, reason)
        else:
            places[row.id] = row.place
            where = f"{table.name}: {row.place}"
            answers[row.id] = _response(subject, row, where, keep_empty=keep_empty)
    notes = []
    if unknown:
        first, more = unknown[0], f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        notes.append(f"{table.name}: {first.place}: no such case: {first.id}{more}; left out")
    if table.torn is not None:
        notes.append(f"{table.name}: line {table.torn}: cut off; left out")
    return RecordedResponses(subject, table.name, table.digest, answers, tuple(notes))


def _check_origin(table: Table, row: Row, **expected: str) -> None:
    for key, value in expected.items():
        if row.fields.get(key, value) != value:
            raise BadInput(
                f"{table.name}: {row.place}: {key} is {row.fields[key]!r}; "
                f"this file is for {value!r}"
            )


def _response(subject: str, row: Row, where: str, *, keep_empty: bool) -> Response:
    text = row.fields.get("response")
    if not isinstance(text, str):
        return _missing(subject, row.id, f"{where}: the response is {text!r}, not a text")
    if not is_text(text):
        return _missing(subject, row.id, f"{where}: the response contains a lone surrogate")
    if not text.strip() and not keep_empty:
        return _missing(subject, row.id, f"{where}: the response is empty")
    if re.match(r"\s*\[?ERROR\b", text):
        return _missing(subject, row.id, f"{where}: the response is an error: {text[:120]!r}")
    thought, answer = split(text)
    if answer is None:
        return _missing(subject, row.id, f"{where}: the thought in the response has no end")
    if not answer.strip() and not keep_empty:
        return _missing(subject, row.id, f"{where}: the response is empty after its thought")
    seconds = _seconds(row.fields.get("elapsed_seconds"))
    return Response(subject=subject, case=row.id, text=answer, thought=thought, seconds=seconds)


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < 1e12 else None


def _missing(subject: str, case: str, reason: str) -> Response:
    return Response(subject=subject, case=case, text=None, reason=reason)
