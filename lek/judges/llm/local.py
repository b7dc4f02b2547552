"""The settings of a judge in this process -> where its weights lie, what it is, and the judge."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from lek.errors import BadInput
from lek.generation.backend import Backend, Request, chat
from lek.judges.llm.question import Task
from lek.models import machine
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Decoding, LocalJudgeSettings
from lek.providers.request import CANCELLED, OVER_BUDGET, Outcome, Question, Reply
from lek.workspace.progress import Progress
from lek.workspace.store import Store


class LocalJudge:
    """A model that judges in this process; nothing is fetched or loaded before it is needed."""

    def __init__(
        self,
        loaded: LoadedProfile,
        settings: LocalJudgeSettings,
        store: Callable[[], Store],
        *,
        dry: bool,
    ) -> None:
        self._loaded, self._settings = loaded, settings
        self._store, self._dry = store, dry

    @property
    def decoding(self) -> Decoding:
        """How the judge's replies are generated."""
        s = self._settings
        return Decoding(
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            batch_size=s.batch_size,
            memory_gb=s.memory_gb,
        )

    @cached_property
    def place(self) -> Path:
        """Where the weights lie; fetched from the hub where they are not there yet.

        A dry run fetches nothing: `BadInput`.
        """
        from lek.models.hub import fetch, local

        settings = self._settings
        name = settings.model, settings.revision, self._loaded.relative(settings.model)
        if not self._dry:
            return fetch(*name)
        found = local(*name)
        if found is None:
            raise BadInput(f"{settings.model}: not on this machine yet")
        return found

    @cached_property
    def form(self) -> Any:
        """The numeric form: as stored on an accelerator, float32 on a CPU, or the profile's."""
        from lek.models.weights import NumericFormat, stored_form

        slow, stored = not machine.accelerated(), stored_form(self.place)
        return NumericFormat(
            self._settings.dtype or ("float32" if slow else stored.dtype),
            slow or stored.dequantize,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the files of the model and its form."""
        files = sorted(f for f in self.place.iterdir() if f.is_file() and f.name[0] != ".")
        whole = [str(self.form), {f.name: self._store().digest(f) for f in files}]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()

    def open(self) -> Backend:
        """Load the judge."""
        machine.preload()
        from lek.generation.mlx import MlxBackend

        return MlxBackend.open(self.place, self.form)


class BatchExecutor:
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
        spend_budget: Callable[[], bool] = lambda: True,
    ) -> None:
        self._opened, self._name = opened, name
        self._decoding, self._progress, self._spend_budget = decoding, progress, spend_budget
        self._tasks: dict[str, Task] = {}

    def submit(self, task: Task) -> None:
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
        for i in [i for i in tasks if not self._spend_budget()]:
            tasks.pop(i).done(Outcome(None, OVER_BUDGET, 0))
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
                    tasks.pop(said.id).done(Outcome(reply, None, int(said.text is not None)))
                    shown.advance()
        except BadInput as e:
            why = str(e)
        except Exception as e:  # such as no memory for the judge: every case says so
            why = f"{self._name}: {type(e).__name__}: {e}"
        for task in tasks.values():
            task.done(Outcome(None, why, 0))

    def close(self) -> None:
        """Ask nothing more, and say so to whoever waits."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.done(Outcome(None, CANCELLED, 0))


def _prompt(question: Question) -> list[dict[str, str]]:
    """One message: not every chat template knows a system's."""
    return chat(f"{question.system}\n\n{question.user}")
