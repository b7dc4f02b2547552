"""Served models: the answers of subjects behind OpenAI's API, requested concurrently.

Pacing, retries and errors are those of LLM judges. An answer is stored if another request would
have the same result: a text, an empty text, or a thought that used up the token limit. A request
that the server rejects (a prompt that is too long, a content filter) gives its case no answer, and
is repeated by the next run.
"""

import hashlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from lek.errors import BadInput, StoreError
from lek.generation.backend import Completion, Prompt, Request, chat
from lek.generation.replies import completion, question
from lek.profile.schema import Decoding, ServedSettings, without_directories
from lek.providers import endpoint
from lek.providers.client import RateLimitedClient
from lek.providers.pool import ThreadExecutor
from lek.providers.probe import probe
from lek.providers.request import Outcome, Reply, Task
from lek.providers.usage import ANSWERS, Usage, UsageRow
from lek.workspace.atomic import exclusive
from lek.workspace.progress import Notices, Progress
from lek.workspace.store import Store

# the files that make a request from messages, and an answer from the reply
CODE = (
    "generation/replies.py",
    "providers/api.py",
    "providers/openai.py",
    "text/thoughts.py",
)
_KIND = "openai"  # the kind of judge with the same client library
_PROBE = "This is a test of the connection. Reply with: ok"
_NOTICE = 1.0  # seconds between two looks at notices, while no answer arrives
_SERVERS = """\
CREATE TABLE IF NOT EXISTS servers (
    fingerprint TEXT NOT NULL, model TEXT NOT NULL, system_fingerprint TEXT NOT NULL,
    UNIQUE (fingerprint, model, system_fingerprint)
)"""


class ServedModels:
    """The served models of a profile, with one client for each address and its settings.

    ``settings``: by the name of the subject. ``locks``: the directory of lock files, by which only
    one process at a time sends requests to an address: the limits hold for all together.
    """

    code: tuple[str, ...] = CODE

    def __init__(
        self,
        settings: Mapping[str, ServedSettings],
        store: Store,
        usage: Usage,
        locks: Path,
        progress: Progress,
    ) -> None:
        self._settings, self._store, self._usage = settings, store, usage
        self._locks, self._progress, self._notices = locks, progress, Notices(progress)
        self._pools: dict[ServedSettings, ThreadExecutor] = {}
        store.run(_SERVERS, ())

    def at_hand(self) -> bool:
        """True: nothing has to be downloaded."""
        return True

    def fingerprint(self, subject: str) -> str:
        """Return the SHA-256 of the address and the name of the model, all that is known of it."""
        settings = self._settings[subject]
        parts = json.dumps([_KIND, settings.base_url, settings.model])
        return hashlib.sha256(parts.encode()).hexdigest()

    def dated(self, subject: str) -> bool:
        """False: what the server makes of messages is not known."""
        return False

    def backend(self, subject: str) -> "ServedBackend":
        """Return the model of ``subject``, to which nothing has been sent."""
        settings = self._settings[subject]
        address = hashlib.sha256(settings.base_url.encode()).hexdigest()[:16]
        message = f"{subject}: waiting for another process that asks the same server"
        return ServedBackend(
            subject,
            self._pool(settings),
            lambda: exclusive(self._locks / f"{address}.lock", lambda: self._progress.say(message)),
            spend=self._usage.spend,
            remember=lambda reply: self._remember(subject, reply),
            show_notices=self._notices.show,
            scrub=lambda text: endpoint.scrub(settings, text),
        )

    def unload(self, subject: str | None = None) -> None:
        """Do nothing: no model is in the memory of this process."""

    def close(self) -> None:
        """Send no more requests."""
        for pool in self._pools.values():
            pool.close()

    def check(self, subject: str, where: str) -> None:
        """Raise `BadInput` if the key or the client library of ``subject`` is missing.

        ``where`` begins the message.
        """
        endpoint.check(_KIND, self._settings[subject], where)

    def probe(self, subject: str, system: str | None, decoding: Decoding, where: str) -> None:
        """Send one small request; raise `BadInput` for an error that only the user can correct.

        ``system``: the system message of ``subject``. ``where`` begins the message of the error.
        """
        prompt: Prompt = chat(_PROBE)
        if system is not None:
            prompt = [{"role": "system", "content": system}, *prompt]
        client = self._pool(self._settings[subject]).client
        asked = question(Request("probe", prompt), decoding)
        row = UsageRow(subject, ANSWERS, 0, 0, 0)
        problem = probe(client, asked, self._usage, row, "this subject, and [decoding]")
        if problem is not None:
            raise BadInput(f"{where}: {problem}")

    def reported(self, subject: str) -> list[dict[str, str]]:
        """Return the names that servers reported with answers of ``subject``, for the run."""
        rows = self._store.run(
            "SELECT model, system_fingerprint FROM servers WHERE fingerprint = ? ORDER BY rowid",
            (self.fingerprint(subject),),
        )
        names = ("model", "system_fingerprint")
        return [
            {name: without_directories(v) for name, v in zip(names, row, strict=True) if v}
            for row in rows
        ]

    def _remember(self, subject: str, reply: Reply) -> None:
        if reply.model or reply.system_fingerprint:
            row = self.fingerprint(subject), reply.model or "", reply.system_fingerprint or ""
            self._store.run("INSERT OR IGNORE INTO servers VALUES (?, ?, ?)", row)

    def _pool(self, settings: ServedSettings) -> ThreadExecutor:
        if settings not in self._pools:
            self._pools[settings] = ThreadExecutor(
                lambda: self._open(settings), settings.concurrency
            )
        return self._pools[settings]

    def _open(self, settings: ServedSettings) -> RateLimitedClient:
        def is_allowed() -> bool:
            with suppress(StoreError):  # reported when the answer is stored
                if self._usage.stopped:  # by an interrupt of the main process
                    client.close()
            return True

        def say(line: str) -> None:
            if client.stopped is None:  # otherwise the tests report it
                self._notices.add(f"{settings.model}: {line}")

        client = RateLimitedClient(
            endpoint.endpoint(_KIND, settings), settings, spend_budget=is_allowed, say=say
        )
        return client


class _Answer(NamedTuple):
    """The outcome of a request, and the seconds since it was sent (for the last time)."""

    request: Request
    outcome: Outcome
    seconds: float


class ServedBackend:
    """The model of one subject, as a `Backend`.

    ``lock``: returns a context in which no other process sends requests to the address. ``spend``:
    called with the usage of each request. ``remember``: called with each reply. ``show_notices``:
    called at least every second. ``scrub``: removes the key from a text.
    """

    def __init__(
        self,
        subject: str,
        pool: ThreadExecutor,
        lock: Callable[[], AbstractContextManager[None]],
        *,
        spend: Callable[[UsageRow], None],
        remember: Callable[[Reply], None],
        show_notices: Callable[[], None],
        scrub: Callable[[str], str],
    ) -> None:
        self._subject, self._pool, self._lock = subject, pool, lock
        self._spend, self._remember = spend, remember
        self._show_notices, self._scrub = show_notices, scrub

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        on_tokens: Callable[[int], None] = lambda count: None,
    ) -> Generator[Completion]:
        """Yield the completions of all ``requests``, each as soon as it is complete.

        ``on_tokens``: called with the number of tokens of each completion. Raises `BadInput` at the
        end if some requests got no reply.
        """
        answers, failures = SimpleQueue[_Answer](), list[Outcome]()
        with self._lock():
            try:
                for request in requests:
                    self._pool.submit(self._task(request, decoding, answers.put))
                for _ in requests:
                    answer = self._next(answers)
                    reply = answer.outcome.reply
                    if reply is None:
                        failures.append(answer.outcome)
                        continue
                    self._remember(reply)
                    on_tokens(reply.completion_tokens or 0)
                    yield completion(answer.request, reply, answer.seconds)
            finally:
                self._pool.withdraw()  # after an interrupt or a time limit
        self._show_notices()
        if failures:
            raise self._failed(failures)

    def _task(
        self, request: Request, decoding: Decoding, receive: Callable[[_Answer], None]
    ) -> Task:
        sent = time.perf_counter()

        def spend(requests: int, prompt: int | None, completion: int | None, unread: int) -> None:
            with suppress(StoreError):  # reported when the answer is stored
                self._spend(UsageRow(self._subject, ANSWERS, requests, prompt, completion, unread))

        def on_request(requests: int, unread: int) -> None:
            nonlocal sent
            if requests > 0:
                sent = time.perf_counter()
            spend(requests, 0, 0, unread)

        def done(outcome: Outcome) -> None:
            if outcome.reply is not None:  # also if nothing receives it after an interrupt
                spend(0, outcome.reply.prompt_tokens, outcome.reply.completion_tokens, 0)
            receive(_Answer(request, outcome, round(time.perf_counter() - sent, 3)))

        return Task(request.id, lambda: question(request, decoding), done, on_request)

    def _next(self, answers: "SimpleQueue[_Answer]") -> _Answer:
        """The next answer; shows notices while none arrives."""
        while True:
            self._show_notices()
            with suppress(Empty):
                return answers.get(timeout=_NOTICE)

    def _failed(self, failures: list[Outcome]) -> BadInput:
        """The error for the requests without a reply."""
        traceback = next((f.traceback for f in failures if f.traceback is not None), None)
        why = self._scrub(self._pool.client.stopped or failures[0].why or "no reply")
        details = "" if traceback is None else f"\n{self._scrub(traceback)}"
        rest = "those that arrived are stored, and the next run asks only for the rest"
        return BadInput(f"{self._subject}: answers are missing: {why}; {rest}", details)
