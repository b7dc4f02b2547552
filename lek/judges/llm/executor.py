"""The protocol of the executors that carry out the tasks of an LLM judge."""

from threading import Event
from typing import Protocol

from lek.providers.request import Task


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
