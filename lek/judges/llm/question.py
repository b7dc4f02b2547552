"""Questions to a judge that is a model -> its replies: on a pool of threads, or in batches."""

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lek.providers.request import Outcome, Question

if TYPE_CHECKING:
    pass


class Task(NamedTuple):
    """One question: ``id`` names it and seeds its sampling; ``done`` is told the outcome."""

    id: str
    question: Callable[[], Question]
    done: Callable[[Outcome], None]


class Executor(Protocol):
    """Whatever asks the judge."""

    def submit(self, task: Task) -> None:
        """Have the judge asked, sooner or later; returns at once."""

    def wait(self, event: Event) -> None:
        """Wait for ``event``, which tasks that were taken will set."""

    def drain(self) -> None:
        """Have all asked that was taken."""

    def close(self) -> None:
        """Ask nothing more."""
