"""One subject and benchmark -> its answers, generated when they are needed, faults told once."""

import traceback
from collections.abc import Callable, Sequence

from lek.errors import BadInput
from lek.generate import Generator, Heard
from lek.profile.schema import Subject
from lek.records import Case, Response


class Generated:
    """The answers of one subject to one benchmark.

    What went wrong once goes wrong for every case at once, without a second attempt.
    """

    def __init__(self, generator: Callable[[], Generator], subject: Subject) -> None:
        self._generator, self._subject = generator, subject
        self._responses: dict[str, Response] = {}
        self._fault: str | None = None
        self._trace = ""

    def prepare(self, cases: Sequence[Case], heard: Heard | None) -> None:
        """Generate answers to ``cases``; what goes wrong is kept for `respond` to raise."""
        self._ask(cases, heard)

    def respond(self, case: Case) -> Response:
        """What the subject says to ``case``."""
        if case.id not in self._responses and self._fault is None:
            self._ask([case], None)
        if self._fault is not None:
            fault, self._trace = self._fault + self._trace, ""
            raise BadInput(fault)
        return self._responses[case.id]

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """The answers to ``cases`` that the store has, by case id."""
        return self._generator().stored(self._subject, cases)

    def _ask(self, cases: Sequence[Case], heard: Heard | None) -> None:
        asked = {c.id: c for c in cases}
        try:
            self._responses |= self._generator().respond(self._subject, list(asked.values()), heard)
        except BadInput as e:
            self._fault = str(e)
        except Exception as e:  # its text is told by each case, where it came from by the first
            self._fault = f"{self._subject.name}: {type(e).__name__}: {e}"
            self._trace = f"\n{traceback.format_exc()}"
        if self._fault is not None:
            self._generator().models.release()  # the model may be what there is no memory for
