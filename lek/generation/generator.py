"""(subject, cases) -> responses: what the store has is taken, the rest generated in batches.

The first case of a subject and benchmark that is asked for causes all selected ones to be
generated; each response is stored the moment it is complete. One model is in memory at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from lek.generation.backend import Backend, Prompt, Request, prompt_of
from lek.models import machine
from lek.models.build import Builder
from lek.profile.schema import BuiltSubject, Decoding
from lek.records import Case, Response
from lek.workspace.fingerprint import code_digest
from lek.workspace.progress import Progress
from lek.workspace.store import Store, key_of


class ModelSlot:
    """The subjects' models, of which one is in memory at a time."""

    def __init__(self, builder: Builder, progress: Progress) -> None:
        self.builder, self._progress = builder, progress
        self._held: tuple[str, Backend] | None = None
        self._told = False

    def fingerprint(self, subject: str) -> str:
        """The fingerprint of ``subject``; loads nothing."""
        return self.builder.recipes.of(subject).fingerprint

    def backend(self, subject: str) -> Backend:
        """The model of ``subject``, built if need be; any other one is let go first."""
        if self._held is None or self._held[0] != subject:
            self.unload()
            self._tell_of_slowness()
            directory = self.builder.directory(subject)
            from lek.generation.mlx import MlxBackend, free

            free()  # of what building it took
            return self.load(subject, MlxBackend.open(directory, self.builder.recipes.form))
        return self._held[1]

    def _tell_of_slowness(self) -> None:
        lacks = machine.missing()
        if lacks is not None and not self._told:
            self._told = True
            self._progress.say(lacks)

    def load(self, subject: str, backend: Backend) -> Backend:
        """Keep ``backend`` as the one of ``subject``."""
        self._held = subject, backend
        return backend

    def unload(self, subject: str | None = None) -> None:
        """Let go of the model in memory, or only if it is that of ``subject``."""
        if self._held is not None and subject in (None, self._held[0]):
            self._held = None
            from lek.generation.mlx import free

            free()


CODE = ("generation/mlx.py",)  # the files that compute an answer from weights and messages
OnResponse = Callable[[Case, Response], None]


class Generator:
    """Answers of models to cases, through the store.

    ``since`` (seconds of the epoch) leaves aside what was stored earlier: `--lek-fresh`.
    """

    def __init__(
        self,
        models: ModelSlot,
        store: Store,
        locks: Path,
        decoding: Decoding,
        progress: Progress,
        *,
        since: float = 0.0,
    ) -> None:
        self.models, self._store, self._locks = models, store, locks
        self.decoding, self._progress, self._since = decoding, progress, since

    def respond(
        self, subject: BuiltSubject, cases: Sequence[Case], on_response: OnResponse | None = None
    ) -> dict[str, Response]:
        """The response of ``subject`` to each of ``cases`` (of one benchmark), by case id.

        ``on_response`` is given each one as soon as it is there.
        """
        if not cases:
            return {}
        by_id = {c.id: c for c in cases}
        prompts = {c.id: prompt_of(c, subject.prompt) for c in cases}

        def tell(name: str, response: Response) -> None:
            if on_response is not None:
                on_response(by_id[name], replace(response, subject=subject.name, case=name))

        found = self.ask(subject.name, cases[0].benchmark, prompts, tell)
        return {i: replace(r, subject=subject.name, case=i) for i, r in found.items()}

    def stored(self, subject: BuiltSubject, cases: Sequence[Case]) -> dict[str, Response]:
        """The responses that the store has, by case id; loads nothing, and fetches nothing."""
        if not self.models.builder.recipes.at_hand():
            return {}
        prompts = {c.id: prompt_of(c, subject.prompt) for c in cases}
        keys = self._keys(subject.name, prompts)
        found = self._store.get(keys.values(), since=self._since)
        return {
            i: replace(found[key], subject=subject.name, case=i)
            for i, key in keys.items()
            if key in found
        }

    def ask(
        self,
        subject: str,
        what: str,
        prompts: Mapping[str, Prompt],
        tell: Callable[[str, Response], None] = lambda name, response: None,
    ) -> dict[str, Response]:
        """The response of ``subject`` to each of ``prompts``, by their ids; ``what`` names them.

        ``tell`` is given each one as soon as it is there. Where another process is at the same
        work, this one waits and takes what that one stored.
        """
        keys = self._keys(subject, prompts)
        found = self._store.get(keys.values(), since=self._since)
        told = {i for i, key in keys.items() if key in found}
        for i in told:
            tell(i, found[keys[i]])
        if len(found) < len(set(keys.values())):
            alone = self._alone(self.models.fingerprint(subject), f"{subject} {what}")
            with self._progress.shown(), alone:
                found = self._store.get(keys.values(), since=self._since)
                missing = {k: i for i, k in keys.items() if k not in found}
                if missing:
                    requests = [Request(i, prompts[i]) for i in missing.values()]
                    told |= self._generate(subject, what, requests, keys, tell)
            found = self._store.get(keys.values(), since=self._since)
        for i in keys.keys() - told:  # what another process stored, or shares a prompt with others
            tell(i, found[keys[i]])
        return {i: found[key] for i, key in keys.items()}

    def _keys(self, subject: str, prompts: Mapping[str, Prompt]) -> dict[str, str]:
        fingerprint = self.models.fingerprint(subject)
        if self.models.builder.recipes.dated(subject):
            fingerprint = f"{fingerprint} {date.today()}"
        return {i: self._key(fingerprint, i, prompt) for i, prompt in prompts.items()}

    def _generate(
        self,
        subject: str,
        what: str,
        requests: list[Request],
        keys: dict[str, str],
        tell: Callable[[str, Response], None],
    ) -> set[str]:
        backend, told = self.models.backend(subject), set[str]()
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
                tell(done.id, response)
                told.add(done.id)
                task.advance()
        return told

    def _key(self, fingerprint: str, name: str, prompt: Prompt) -> str:
        """Greedy answers depend on the prompt alone, sampled ones on the name that seeds them."""
        said = self.decoding.model_dump(include={"max_tokens", "temperature", "top_p", "seed"})
        sampled = {**said, "name": name}
        greedy = {"max_tokens": said["max_tokens"], "temperature": 0.0}
        decoding = sampled if self.decoding.temperature else greedy
        return key_of(fingerprint, prompt, decoding | {"code": code_digest(*CODE)})

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
