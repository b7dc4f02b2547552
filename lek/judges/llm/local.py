"""LLM judge in this process: its weights, its fingerprint, and an executor in batches."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from lek.errors import BadInput
from lek.generation.backend import Backend, Request, chat
from lek.models import machine
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Decoding, LocalJudgeSettings
from lek.providers.request import CANCELLED, OVER_BUDGET, Outcome, Question, Reply, Task
from lek.workspace.progress import Progress
from lek.workspace.store import Store


class LocalJudge:
    """A model that judges in this process, fetched and loaded only when it is needed.

    ``dry``: fetch nothing, for a dry run.
    """

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
        """The decoding settings for the judge's replies."""
        s = self._settings
        return Decoding(
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            batch_size=s.batch_size,
            memory_gb=s.memory_gb,
        )

    @cached_property
    def place(self) -> Path:
        """The directory of the weights, which are fetched from the hub if they are missing.

        A dry run fetches nothing and raises `BadInput` instead.
        """
        from lek.models.hub import fetch, local

        settings = self._settings
        source = settings.model, settings.revision, self._loaded.relative(settings.model)
        if not self._dry:
            return fetch(*source)
        directory = local(*source)
        if directory is None:
            raise BadInput(f"{settings.model}: not on this machine yet")
        return directory

    @cached_property
    def form(self) -> Any:
        """The numeric format: the profile's; else as stored on an accelerator, float32 on a CPU."""
        from lek.models.weights import NumericFormat, stored_form

        slow, stored = not machine.accelerated(), stored_form(self.place)
        return NumericFormat(
            self._settings.dtype or ("float32" if slow else stored.dtype),
            slow or stored.dequantize,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the model's files and its numeric format, as hexadecimal digits."""
        files = sorted(f for f in self.place.iterdir() if f.is_file() and f.name[0] != ".")
        parts = [str(self.form), {f.name: self._store().digest(f) for f in files}]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def open(self) -> Backend:
        """Load the model."""
        machine.preload()
        from lek.generation.mlx import MlxBackend

        return MlxBackend.open(self.place, self.form)


class BatchExecutor:
    """Collects tasks for a judge in this process and executes all of them when one is waited for.

    So judging does not overlap with generation, with which it would have to share the machine.
    ``open_judge``: called for each batch to free memory and load the judge, which is released
    after the batch. ``name``: names the judge in progress and errors. ``spend_budget``: called for
    every task; returns false if no more requests are allowed.
    """

    batched = True

    def __init__(
        self,
        open_judge: Callable[[], Backend],
        name: str,
        decoding: Decoding,
        progress: Progress,
        spend_budget: Callable[[], bool] = lambda: True,
    ) -> None:
        self._open_judge, self._name = open_judge, name
        self._decoding, self._progress, self._spend_budget = decoding, progress, spend_budget
        self._tasks: dict[str, Task] = {}

    def submit(self, task: Task) -> None:
        """Queue ``task`` for the next batch."""
        self._tasks[task.id] = task

    def wait(self, event: Event) -> None:
        """Execute all queued tasks, which set ``event``."""
        self.drain()

    def drain(self) -> None:
        """Execute all queued tasks in one batch."""
        if self._tasks:
            with self._progress.shown():
                self._execute()

    def _execute(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for i in [i for i in tasks if not self._spend_budget()]:
            tasks.pop(i).done(Outcome(None, OVER_BUDGET, 0))
        if not tasks:
            return
        why = "the judge stopped before it replied"
        try:
            requests = [Request(i, _prompt(task.question())) for i, task in tasks.items()]
            backend = self._open_judge()
            with self._progress.task(self._name, len(tasks), "judgements") as progress:
                for completion in backend.complete(requests, self._decoding, progress.tokens):
                    counts = completion.prompt_tokens, completion.completion_tokens
                    text, reason = completion.text, completion.reason
                    if text is None and completion.thought is not None:
                        text, reason = f"<think>{completion.thought}", None  # see `reply`
                    reply = Reply(text, reason, completion.finish, *counts)
                    # no text: the question exceeds the model's context, so no request was made
                    request_count = int(text is not None)
                    tasks.pop(completion.id).done(Outcome(reply, None, request_count))
                    progress.advance()
        except BadInput as e:
            why = str(e)
        except Exception as e:  # such as out of memory: reported for every case
            why = f"{self._name}: {type(e).__name__}: {e}"
        finally:  # also after a time limit of pytest
            for task in tasks.values():
                task.done(Outcome(None, why, 0))

    def close(self) -> None:
        """Drop all queued tasks; their outcome is `CANCELLED`."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.done(Outcome(None, CANCELLED, 0))


def _prompt(question: Question) -> list[dict[str, str]]:
    """A single message, because not every chat template supports a system message."""
    return chat(f"{question.system}\n\n{question.user}")
