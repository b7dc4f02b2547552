"""Executor for a model behind an API: a pool of threads that share a client."""

from collections.abc import Callable
from queue import Empty, Queue
from threading import Event, Thread

from lek.providers.client import RateLimitedClient
from lek.providers.errors import internal_error
from lek.providers.request import Outcome, Task


class ThreadExecutor:
    """Sends questions to a model behind an API from ``size`` threads.

    ``open_client``: called once, at first use, to open the client that the threads share.
    ``on_wait``: called every second during `wait` with the number of pending questions.

    The threads are daemons: unlike those of ``concurrent.futures``, a thread that hangs in a
    request does not delay the end of the session.
    """

    batched = False

    def __init__(
        self,
        open_client: Callable[[], RateLimitedClient],
        size: int,
        on_wait: Callable[[int], None] = lambda pending: None,
    ) -> None:
        self._open_client, self._size, self._on_wait = open_client, size, on_wait
        self._client: RateLimitedClient | None = None
        self._working = False
        self._tasks: Queue[Task] = Queue()

    @property
    def client(self) -> RateLimitedClient:
        """The client, opened at first use."""
        if self._client is None:
            self._client = self._open_client()
        return self._client

    def submit(self, task: Task) -> None:
        """Queue ``task``; the first task starts the threads."""
        if not self._working:
            client, self._working = self.client, True
            for _ in range(self._size):
                Thread(target=self._work, args=(client,), daemon=True).start()
        self._tasks.put(task)

    def _work(self, client: RateLimitedClient) -> None:
        while True:
            task = self._tasks.get()
            try:
                outcome = client.ask(task.question(), task.on_request)
            except Exception as e:  # never leave a waiting test blocked if our own code fails
                why = f"{type(e).__name__} while a question was asked"
                outcome = Outcome(None, why, 0, traceback=str(internal_error(e, None)))
            try:
                task.done(outcome)
            finally:
                self._tasks.task_done()

    def wait(self, event: Event) -> None:
        """Wait until ``event`` is set, and call ``on_wait`` every second meanwhile."""
        while not event.wait(1.0):
            self._on_wait(self._tasks.unfinished_tasks)

    def withdraw(self) -> None:
        """Drop the tasks that no thread has begun; their ``done`` is not called."""
        while True:
            try:
                self._tasks.get_nowait()
            except Empty:
                return
            self._tasks.task_done()

    def drain(self) -> None:
        """Wait until all submitted tasks are done."""
        self._tasks.join()

    def close(self) -> None:
        """Send no more requests. Returns without waiting for requests in progress."""
        if self._client is not None:
            self._client.close()
