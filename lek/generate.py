"""(subject, cases) -> responses: what the store has is taken, the rest generated in batches.

The first case of a subject and benchmark that is asked for causes all selected ones to be
generated; each response is stored the moment it is complete. One model is in memory at a time.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from lek import sources
from lek.backends import Request
from lek.memory import Models
from lek.profile import Decoding, Subject
from lek.progress import Progress
from lek.prompts import Prompt, prompt_of
from lek.records import BadInput, Case, Response
from lek.store import Store, key_of


class Generator:
    """Answers of models to cases, through the store.

    ``since`` (seconds of the epoch) leaves aside what was stored earlier: `--lek-fresh`.
    """

    def __init__(
        self,
        models: Models,
        store: Store,
        locks: Path,
        decoding: Decoding,
        progress: Progress,
        *,
        since: float = 0.0,
    ) -> None:
        self.models, self._store, self._locks = models, store, locks
        self.decoding, self._progress, self._since = decoding, progress, since

    def respond(self, subject: Subject, cases: Sequence[Case]) -> dict[str, Response]:
        """The response of ``subject`` to each of ``cases`` (of one benchmark), by case id."""
        if not cases:
            return {}
        prompts = {c.id: prompt_of(c, subject.prompt) for c in cases}
        found = self.ask(subject.name, cases[0].benchmark, prompts)
        return {i: replace(r, subject=subject.name, case=i) for i, r in found.items()}

    def ask(self, subject: str, what: str, prompts: Mapping[str, Prompt]) -> dict[str, Response]:
        """The response of ``subject`` to each of ``prompts``, by their ids; ``what`` names them.

        Where another process is at the same work, this one waits and takes what that one stored.
        """
        fingerprint = self.models.fingerprint(subject)
        if self.models.builder.recipes.dated(subject):
            fingerprint = f"{fingerprint} {date.today()}"
        keys = {i: self._key(fingerprint, i, prompt) for i, prompt in prompts.items()}
        found = self._store.get(keys.values(), since=self._since)
        if len(found) < len(set(keys.values())):
            shown, alone = self._progress.shown(), self._alone(fingerprint, f"{subject} {what}")
            with shown, alone:
                found = self._store.get(keys.values(), since=self._since)
                missing = {k: i for i, k in keys.items() if k not in found}
                if missing:
                    requests = [Request(i, prompts[i]) for i in missing.values()]
                    self._generate(subject, what, requests, keys)
            found = self._store.get(keys.values(), since=self._since)
        return {i: found[key] for i, key in keys.items()}

    def _generate(
        self, subject: str, what: str, requests: list[Request], keys: dict[str, str]
    ) -> None:
        backend = self.models.backend(subject)
        with self._progress.task(f"{subject} {what}", len(requests), "answers") as task:
            for done in backend.complete(requests, self.decoding, task.tokens):
                response = Response(
                    subject=subject,
                    case=done.id,
                    text=done.text,
                    reason=done.reason,
                    finish=done.finish,
                    prompt_tokens=done.prompt_tokens,
                    completion_tokens=done.completion_tokens,
                    seconds=done.seconds,
                )
                self._store.put(keys[done.id], done.rendered, response)
                task.advance()

    def _key(self, fingerprint: str, name: str, prompt: Prompt) -> str:
        """Greedy answers depend on the prompt alone, sampled ones on the name that seeds them."""
        said = self.decoding.model_dump(include={"max_tokens", "temperature", "top_p", "seed"})
        sampled = {**said, "name": name}
        greedy = {"max_tokens": said["max_tokens"], "temperature": 0.0}
        decoding = sampled if self.decoding.temperature else greedy
        return key_of(fingerprint, prompt, decoding | {"code": sources.digest("backends/mlx.py")})

    @contextmanager
    def _alone(self, fingerprint: str, what: str) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self._locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._locks / f"{fingerprint[:16]}-{what.replace(' ', '-')}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._progress.say(f"{what}: waiting for another process that generates them")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


class Generated:
    """The answers of one subject to one benchmark, generated when the first is asked for.

    ``wanted`` gives the cases that the session has selected. What went wrong once goes wrong for
    every case at once, without a second attempt.
    """

    def __init__(
        self,
        generator: Callable[[], Generator],
        subject: Subject,
        wanted: Callable[[], Sequence[Case]],
    ) -> None:
        self._generator, self._subject, self._wanted = generator, subject, wanted
        self._responses: dict[str, Response] = {}
        self._fault: str | None = None
        self._trace = ""

    def prepare(self) -> None:
        """Generate the selected cases; what goes wrong is kept for `respond` to raise."""
        self._ask(self._wanted())

    def respond(self, case: Case) -> Response:
        """What the subject says to ``case``."""
        if case.id not in self._responses and self._fault is None:
            self._ask([*self._wanted(), case])
        if self._fault is not None:
            fault, self._trace = self._fault + self._trace, ""
            raise BadInput(fault)
        return self._responses[case.id]

    def _ask(self, cases: Sequence[Case]) -> None:
        asked = {c.id: c for c in cases}
        try:
            self._responses |= self._generator().respond(self._subject, list(asked.values()))
        except BadInput as e:
            self._fault = str(e)
        except Exception as e:  # its text is told by each case, where it came from by the first
            self._fault = f"{self._subject.name}: {type(e).__name__}: {e}"
            self._trace = f"\n{traceback.format_exc()}"
        if self._fault is not None:
            self._generator().models.release()  # the model may be what there is no memory for
