"""Questions to a judge that is a model -> its replies: on a pool of threads, or in batches."""

from collections.abc import Callable
from queue import Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lek.errors import BadInput
from lek.generation.backend import Backend, Request, chat
from lek.profile.schema import Decoding
from lek.providers.request import CANCELLED, OVER_BUDGET, Question, Reply
from lek.workspace.progress import Progress

if TYPE_CHECKING:
    from lek.providers.client import Calls


class Heard(NamedTuple):
    """A reply, or why there is none; ``requests`` counts all that were made for it."""

    reply: Reply | None
    why: str | None
    requests: int


class Task(NamedTuple):
    """One question: ``id`` names it and seeds its sampling; ``done`` is told what was heard."""

    id: str
    question: Callable[[], Question]
    done: Callable[[Heard], None]


class Hearing(Protocol):
    """Whatever asks the judge."""

    def take(self, task: Task) -> None:
        """Have the judge asked, sooner or later; returns at once."""

    def wait(self, event: Event) -> None:
        """Wait for ``event``, which tasks that were taken will set."""

    def drain(self) -> None:
        """Have all asked that was taken."""

    def close(self) -> None:
        """Ask nothing more."""


class Pool:
    """A judge behind an API: ``size`` requests at once, while models generate.

    ``waiting`` is told, while somebody waits, how many questions are left.

    The threads are daemons: one that hangs in a request must not hold up the end of the session,
    as those of ``concurrent.futures`` would.
    """

    def __init__(
        self,
        calls: "Callable[[], Calls]",
        size: int,
        waiting: Callable[[int], None] = lambda left: None,
    ) -> None:
        self._open, self._size, self._waiting = calls, size, waiting
        self._calls: Calls | None = None
        self._tasks: Queue[Task] = Queue()

    def take(self, task: Task) -> None:
        """Queue ``task``; the first one starts the threads."""
        if self._calls is None:
            self._calls = self._open()
            for _ in range(self._size):
                Thread(target=self._work, args=(self._calls,), daemon=True).start()
        self._tasks.put(task)

    def _work(self, calls: "Calls") -> None:
        while True:
            task = self._tasks.get()
            try:
                found = calls.ask(task.question())
                heard = Heard(found.reply, found.why, found.requests)
            except Exception as e:  # a fault of ours must not leave a test waiting for ever
                heard = Heard(None, f"{type(e).__name__} while judging", 0)
            try:
                task.done(heard)
            finally:
                self._tasks.task_done()

    def wait(self, event: Event) -> None:
        """Wait for the threads, and tell ``waiting`` each second how many questions are left."""
        while not event.wait(1.0):
            self._waiting(self._tasks.unfinished_tasks)

    def drain(self) -> None:
        """Wait until all that was taken is done."""
        self._tasks.join()

    def close(self) -> None:
        """Ask nothing more; what is under way is left to itself."""
        if self._calls is not None:
            self._calls.close()


class Batch:
    """A judge in this process: all that was taken is asked at once, when the first is waited for.

    It does not overlap with generation, which would have to share the machine with it. ``opened``
    makes room and loads the judge; afterwards the judge is let go.
    """

    def __init__(
        self,
        opened: Callable[[], Backend],
        name: str,
        decoding: Decoding,
        progress: Progress,
        take_call: Callable[[], bool] = lambda: True,
    ) -> None:
        self._opened, self._name = opened, name
        self._decoding, self._progress, self._take_call = decoding, progress, take_call
        self._tasks: dict[str, Task] = {}

    def take(self, task: Task) -> None:
        """Keep ``task`` for the next batch."""
        self._tasks[task.id] = task

    def wait(self, event: Event) -> None:
        """Ask all that was taken."""
        self.drain()

    def drain(self) -> None:
        """Ask all that was taken."""
        if self._tasks:
            with self._progress.shown():
                self._hear()

    def _hear(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for i in [i for i in tasks if not self._take_call()]:
            tasks.pop(i).done(Heard(None, OVER_BUDGET, 0))
        if not tasks:
            return
        why = "the judge ended without a word"
        try:
            requests = [Request(i, _prompt(task.question())) for i, task in tasks.items()]
            backend = self._opened()
            with self._progress.task(self._name, len(tasks), "judgements") as shown:
                for said in backend.complete(requests, self._decoding, shown.tokens):
                    counts = said.prompt_tokens, said.completion_tokens
                    reply = Reply(said.text, said.reason, said.finish, *counts)
                    # without a text it had no room for the question, and was not asked
                    tasks.pop(said.id).done(Heard(reply, None, int(said.text is not None)))
                    shown.advance()
        except BadInput as e:
            why = str(e)
        except Exception as e:  # such as no memory for the judge: every case says so
            why = f"{self._name}: {type(e).__name__}: {e}"
        for task in tasks.values():
            task.done(Heard(None, why, 0))

    def close(self) -> None:
        """Ask nothing more, and say so to whoever waits."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.done(Heard(None, CANCELLED, 0))


def _prompt(question: Question) -> list[dict[str, str]]:
    """One message: not every chat template knows a system's."""
    return chat(f"{question.system}\n\n{question.user}")
