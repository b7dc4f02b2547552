"""A profile and its data -> who answers: recorded answers, or models built and asked at need."""

import traceback
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from lek.data.jsonl import read_rows
from lek.data.lem import responses_file
from lek.data.recorded import RecordedResponses, read_responses
from lek.errors import BadInput
from lek.generation.generator import Generator, OnResponse
from lek.profile.loading import LoadedProfile
from lek.profile.schema import BuiltSubject, RecordedSubject, SubjectConfig
from lek.records import Case, Response
from lek.workspace.workspace import Workspace


class Responses(Protocol):
    """The answers of one subject to one benchmark."""

    def prepare(self, cases: Sequence[Case], on_response: OnResponse | None) -> None:
        """Do what takes long, ahead of need; a fault is raised by `respond`.

        ``on_response`` is given each response to ``cases`` as soon as it is there.
        """

    def respond(self, case: Case) -> Response:
        """What the subject says to ``case``, or a response that says why there is none."""

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """The responses to ``cases`` that need not be generated, by case id."""


class SubjectResponses:
    """The answers of a profile's subjects."""

    def __init__(self, loaded: LoadedProfile, directory: Path, workspace: Workspace) -> None:
        self._loaded, self._directory, self._workspace = loaded, directory, workspace
        self._recorded: dict[str, dict[str, str]] = {}
        self.digests: dict[str, str] = {}
        self.notes: list[str] = []

    def of(
        self, subject: SubjectConfig, benchmark: str, known: Collection[str]
    ) -> Responses | None:
        """The answers of ``subject`` to ``benchmark``; ``None`` where the data have none.

        ``known`` are the ids of all cases.
        """
        if not isinstance(subject, RecordedSubject):
            return GeneratedResponses(lambda: self.generator, subject)
        path = responses_file(self._directory, benchmark, subject.recorded)
        if not path.is_file():
            return None
        recorded: RecordedResponses = read_responses(
            read_rows(path),
            subject.name,
            benchmark=benchmark,
            model=subject.recorded,
            known=known,
            keep_empty=self._loaded.profile.judges.scores_empty(benchmark),
        )
        self.digests[f"results/{path.name}"] = recorded.rows.digest
        self._recorded.setdefault(subject.name, {})[benchmark] = recorded.rows.digest
        self.notes += recorded.notes
        return recorded

    def check(self) -> None:
        """Raise `BadInput` where something that a model is made from is not there."""
        if self._loaded.profile.models:
            from lek.models.recipes import check

            check(self._loaded)

    @cached_property
    def generator(self) -> Any:
        """What builds, loads and asks models; made at first need."""
        from lek.generation.generator import Generator, ModelSlot
        from lek.models.build import Builder
        from lek.models.recipes import Recipes

        workspace = self._workspace
        store = workspace.store
        builder = Builder(Recipes(self._loaded, store), workspace.home, workspace.progress)
        return Generator(
            ModelSlot(builder, workspace.progress),
            store,
            workspace.home / "locks",
            self._loaded.profile.decoding,
            workspace.progress,
            since=workspace.since,
        )

    def describe(self, subject: SubjectConfig) -> dict[str, Any]:
        """What ``subject`` is, for ``run.json``: recipe, fingerprint, and how it was built."""
        if isinstance(subject, RecordedSubject):
            recipe = {"recorded": subject.recorded}
            digests = self._recorded.get(subject.name, {})
            return {"name": subject.name, "recipe": recipe, "fingerprint": digests}
        builder = self.generator.models.builder
        try:
            fingerprint = builder.recipes.of(subject.name).fingerprint
        except BadInput as e:  # then no case of it ran either, and its tests have said why
            return {"name": subject.name, "fingerprint": None, "reason": str(e)}
        return {
            "name": subject.name,
            "recipe": builder.recipes.describe(subject.name),
            "fingerprint": fingerprint,
            "form": str(builder.recipes.form),
            "build": builder.facts(subject.name) or None,
        }

    def decoding(self) -> dict[str, Any] | None:
        """How answers are generated, for ``run.json``; ``None`` where all are recorded."""
        if not self._loaded.profile.models:
            return None
        try:
            form = str(self.generator.models.builder.recipes.form)
        except BadInput:  # then nothing was generated, and each test has said why
            return None
        return self._loaded.profile.decoding.model_dump(mode="json") | {"form": form}

    def unload(self, subject: str | None = None) -> None:
        """Let go of the model in memory, or only if it is that of ``subject``."""
        if "generator" in vars(self):
            self.generator.models.unload(subject)


class GeneratedResponses:
    """The answers of one subject to one benchmark.

    What went wrong once goes wrong for every case at once, without a second attempt.
    """

    def __init__(self, generator: Callable[[], Generator], subject: BuiltSubject) -> None:
        self._generator, self._subject = generator, subject
        self._responses: dict[str, Response] = {}
        self._fault: str | None = None
        self._trace = ""

    def prepare(self, cases: Sequence[Case], on_response: OnResponse | None) -> None:
        """Generate answers to ``cases``; what goes wrong is kept for `respond` to raise."""
        self._ask(cases, on_response)

    def respond(self, case: Case) -> Response:
        """What the subject says to ``case``."""
        if case.id not in self._responses and self._fault is None:
            self._ask([case], None)
        if self._fault is not None:
            fault, self._trace = self._fault + self._trace, ""
            raise BadInput(fault)
        return self._responses[case.id]

    def stored(self, cases: Sequence[Case]) -> dict[str, Response]:
        """The answers to ``cases`` that the store has, by case id."""
        return self._generator().stored(self._subject, cases)

    def _ask(self, cases: Sequence[Case], on_response: OnResponse | None) -> None:
        asked = {c.id: c for c in cases}
        try:
            self._responses |= self._generator().respond(
                self._subject, list(asked.values()), on_response
            )
        except BadInput as e:
            self._fault = str(e)
        except Exception as e:  # its text is told by each case, where it came from by the first
            self._fault = f"{self._subject.name}: {type(e).__name__}: {e}"
            self._trace = f"\n{traceback.format_exc()}"
        if self._fault is not None:
            self._generator().models.unload()  # the model may be what there is no memory for
