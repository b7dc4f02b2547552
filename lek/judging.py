"""A profile and its data -> the judge of each benchmark, and what it judges by."""

import json
from collections import deque
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from lek import apis, sources
from lek.answers import Workshop
from lek.backends import Backend
from lek.docket import Docket
from lek.hearing import Batch, Pool
from lek.judges import rubric
from lek.judges.exact import exact
from lek.judges.recorded import RecordedJudge
from lek.lem import Scores, read_scores, scores_file
from lek.local import LocalJudge
from lek.profiles import LoadedProfile
from lek.records import Case, Response, Verdict
from lek.settings import Gemini, Local, OpenAI
from lek.store import Store

Judge = Callable[[Case, Response], Verdict]
PLAIN = ("exact", "lexical")
_DECIDE = {"model", "temperature", "max_tokens", "base_url", "structured", "revision", "dtype"}


def plain_judge(kind: str) -> Judge:
    """One of the judges that need nothing but the case and the response."""
    if kind == "exact":
        return exact
    from lek.judges.lexical import lexical  # its word lists need not be read otherwise

    return lexical


def plain_protocol(kind: str) -> dict[str, Any]:
    """What such a judge judges by."""
    return {"judge": kind, "digest": sources.digest(f"judges/{kind}.py")}


class Judges:
    """The judges of a profile over the data in ``directory``.

    ``release`` lets go of the model in memory, to make room for a judge in this process.
    """

    def __init__(
        self,
        loaded: LoadedProfile,
        directory: Path,
        workshop: Workshop,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._loaded, self._directory = loaded, directory
        self._workshop, self._release = workshop, release
        self._scores: Scores | None = None
        self._dockets: dict[str, Docket] = {}
        self.notes: list[str] = []
        self._notices: deque[str] = deque()

    def of(self, benchmark: str, subjects: Collection[str], known: set[str]) -> Judge:
        """The judge of ``benchmark``, for the answers of ``subjects`` to ``known`` cases.

        Raises `BadInput` where recorded verdicts cannot be read, or a key or library is missing.
        """
        kind = self._loaded.profile.judges.of(benchmark)
        if kind in PLAIN:
            return plain_judge(kind)
        if kind != "recorded":
            return self.docket(kind)
        if self._scores is None:
            self._scores = read_scores(scores_file(self._directory))
        models = {
            s.name: s.recorded
            for s in self._loaded.profile.subjects
            if s.recorded is not None and s.name in subjects
        }
        judge = RecordedJudge(self._scores, benchmark, models)
        self.notes += judge.notes(known)
        return judge

    def docket(self, kind: str) -> Docket:
        """The judge ``kind``, which is a model: one for all of its benchmarks."""
        if kind not in self._dockets:
            settings = self._loaded.profile.judges.settings(kind)
            assert settings is not None  # the profile was checked for it
            made = self._local(settings) if isinstance(settings, Local) else self._remote(settings)
            hearing, identity = made
            since = self._workshop.since
            self._dockets[kind] = Docket(
                kind, settings.votes, hearing, lambda: self.store, identity, since=since
            )
        return self._dockets[kind]

    def _local(self, settings: Local) -> tuple[Batch, Callable[[], str]]:
        judge = LocalJudge(self._loaded, settings, lambda: self.store, dry=self._workshop.dry)

        def opened() -> Backend:
            self._release()
            return judge.open()

        name = f"judge {Path(settings.model).name}"
        batch = Batch(opened, name, judge.decoding, self._workshop.progress)
        return batch, lambda: json.dumps(["mlx", judge.fingerprint, _deciding(settings)])

    def _remote(self, settings: Gemini | OpenAI) -> tuple[Pool, Callable[[], str]]:
        kind, shop = "openai" if isinstance(settings, OpenAI) else "gemini", self._workshop
        if not shop.dry:
            apis.check(settings, f"{self._loaded.path}: judges.{kind}")

        def calls() -> Any:  # what talks to APIs is not imported before it is needed
            from lek.calls import Calls

            return Calls(
                apis.endpoint(settings),
                settings,
                take=lambda: shop.calls is None or self.store.take_call(shop.session, shop.calls),
                say=lambda line: self._notices.append(f"{kind} judge: {line}"),
                share=shop.share,
            )

        pool = Pool(calls, max(1, settings.concurrency // shop.share))
        return pool, lambda: json.dumps([kind, _deciding(settings)])

    @cached_property
    def store(self) -> Store:
        """Where votes are kept; opened at first need."""
        return Store(self._workshop.home / "store.sqlite3")

    def said(self) -> list[str]:
        """What judges had to say since this was last asked: they speak from other threads."""
        return [self._notices.popleft() for _ in range(len(self._notices))]

    def close(self) -> None:
        """Let judges ask nothing more."""
        for docket in self._dockets.values():
            docket.close()

    @property
    def digests(self) -> dict[str, str]:
        """The files that the judges read, with the SHA-256 of each."""
        return {self._scores.path.name: self._scores.digest} if self._scores else {}

    def protocol(self, benchmark: str) -> dict[str, Any]:
        """What judges ``benchmark``, and by what: kind, digest, settings that move its scores."""
        kind = self._loaded.profile.judges.of(benchmark)
        if kind == "recorded":
            assert self._scores is not None
            return {"judge": kind, "digest": self._scores.digest}
        return self.described(kind, benchmark)

    def described(self, kind: str, benchmark: str) -> dict[str, Any]:
        """The judge ``kind`` on ``benchmark``, as `protocol` has it."""
        if kind in PLAIN:
            return plain_protocol(kind)
        settings = self._loaded.profile.judges.settings(kind)
        assert settings is not None  # the profile was checked for it
        told = {"judge": kind, "digest": rubric.load(benchmark).digest, "votes": settings.votes}
        if not isinstance(settings, Local):
            told["client"] = apis.client_of(settings)
        return told | settings.told(include=_DECIDE)


def _deciding(settings: Gemini | OpenAI | Local) -> dict[str, Any]:
    """The settings that decide a vote: not how often, how fast or at what price it is asked."""
    return settings.model_dump(mode="json", include=_DECIDE)
