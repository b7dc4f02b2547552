"""Tasks of an LLM judge, and the protocol of the executors that carry them out."""

from collections.abc import Callable
from threading import Event
from typing import NamedTuple, Protocol

from lek.providers.request import Outcome, Question


class Task(NamedTuple):
    """One question for the judge.

    ``id``: identifies the task, and seeds the sampling of a judge in this process. ``question``:
    called to build the question when it is sent. ``done``: called with the outcome. ``on_request``:
    called as ``count`` of `RateLimitedClient.ask` is, by executors that send requests.
    """

    id: str
    question: Callable[[], Question]
    done: Callable[[Outcome], None]
    on_request: Callable[[int, int], None] = lambda requests, unread: None


class Executor(Protocol):
    """Sends the questions of tasks to a judge.

    ``batched``: whether it collects tasks for batches, which should be as large as possible.
    """

    batched: bool

    def submit(self, task: Task) -> None:
        """Queue ``task``; returns at once."""

    def wait(self, event: Event) -> None:
        """Wait until ``event`` is set by the ``done`` callbacks of submitted tasks."""

    def drain(self) -> None:
        """Complete all submitted tasks."""

    def close(self) -> None:
        """Send no more questions."""
