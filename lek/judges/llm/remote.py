"""Questions to a judge behind an API, asked by a pool of threads while models generate."""

from collections.abc import Callable
from queue import Queue
from threading import Event, Thread

from lek.judges.llm.question import Task
from lek.providers.client import RateLimitedClient
from lek.providers.request import Outcome


class ThreadExecutor:
    """A judge behind an API: ``size`` requests at once, while models generate.

    ``waiting`` is told, while somebody waits, how many questions are left.

    The threads are daemons: one that hangs in a request must not hold up the end of the session,
    as those of ``concurrent.futures`` would.
    """

    def __init__(
        self,
        calls: Callable[[], RateLimitedClient],
        size: int,
        waiting: Callable[[int], None] = lambda left: None,
    ) -> None:
        self._open, self._size, self._waiting = calls, size, waiting
        self._calls: RateLimitedClient | None = None
        self._tasks: Queue[Task] = Queue()

    def submit(self, task: Task) -> None:
        """Queue ``task``; the first one starts the threads."""
        if self._calls is None:
            self._calls = self._open()
            for _ in range(self._size):
                Thread(target=self._work, args=(self._calls,), daemon=True).start()
        self._tasks.put(task)

    def _work(self, calls: RateLimitedClient) -> None:
        while True:
            task = self._tasks.get()
            try:
                outcome = calls.ask(task.question())
            except Exception as e:  # a fault of ours must not leave a test waiting for ever
                outcome = Outcome(None, f"{type(e).__name__} while judging", 0)
            try:
                task.done(outcome)
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
