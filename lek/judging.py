"""A profile and its data -> the judge of each benchmark, and what it judges by."""

import json
from collections.abc import Callable, Collection, Iterable
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from lek import apis
from lek.answers import Workshop
from lek.backends import Backend
from lek.costs import cost
from lek.docket import Docket
from lek.hearing import Batch, Pool
from lek.judges import rubric
from lek.judges.recorded import RecordedJudge
from lek.ledger import Ledger
from lek.lem import Scores, read_scores, scores_file
from lek.local import LocalJudge
from lek.notices import Notices
from lek.plain import PLAIN, Judge, plain_judge, plain_protocol
from lek.profiles import LoadedProfile
from lek.records import BadInput
from lek.settings import Gemini, Local, OpenAI
from lek.store import Store

_Made = tuple[Pool | Batch, Callable[[], str], Callable[[str], str]]


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
        self.notices = Notices(workshop.progress)

    def of(self, benchmark: str, subjects: Collection[str], known: set[str]) -> Judge:
        """The judge of ``benchmark``, for the answers of ``subjects`` to ``known`` cases.

        Raises `BadInput` where recorded verdicts cannot be read; keys are looked for by `check`.
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
            hearing, identity, scrub = made
            since = self._workshop.since
            self._dockets[kind] = Docket(
                kind,
                settings.votes,
                hearing,
                lambda: self.ledger,
                identity,
                since=since,
                scrub=scrub,
                shared=self._workshop.share > 1,
            )
        return self._dockets[kind]

    def _local(self, settings: Local) -> _Made:
        if settings.model[:1] in "./~" and not self._loaded.relative(settings.model).is_dir():
            where = f"{self._loaded.path}: judges.mlx.model = '{settings.model}'"
            raise BadInput(f"{where}: no such directory; expected one that holds a model")
        judge = LocalJudge(
            self._loaded, settings, lambda: self.ledger.store, dry=self._workshop.dry
        )

        def opened() -> Backend:
            self._release()
            return judge.open()

        name = f"mlx judge ({Path(settings.model).name})"
        shop = self._workshop
        batch = Batch(opened, name, judge.decoding, shop.progress, self._take_call)
        return (
            batch,
            cache(lambda: json.dumps(["mlx", judge.fingerprint, settings.deciding()])),
            str,
        )

    def _remote(self, settings: Gemini | OpenAI) -> _Made:
        kind, shop = "openai" if isinstance(settings, OpenAI) else "gemini", self._workshop

        def calls() -> Any:  # what talks to APIs is not imported before it is needed
            from lek.calls import Calls

            return Calls(
                apis.endpoint(settings),
                settings,
                take=self._take_call,
                say=lambda line: self.notices.add(f"{kind} judge: {line}"),
                share=shop.share,
            )

        size = max(1, settings.concurrency // shop.share)
        pool = Pool(calls, size, lambda left: self.notices.waiting(kind, left))
        identity = json.dumps([kind, settings.deciding()])
        return pool, lambda: identity, partial(apis.scrub, settings)

    def _take_call(self) -> bool:
        most = self._workshop.calls
        return most is None or self.ledger.take_call(most)

    @cached_property
    def ledger(self) -> Ledger:
        """What judges were asked, and their votes; opened at first need."""
        store = Store(self._workshop.home / "store.sqlite3")
        return Ledger(store, self._workshop.session)

    def cost(self) -> dict[str, Any] | None:
        """What judges cost in this session, in all its processes; ``None``: none is a model."""
        return cost(self.ledger.spent(), self._loaded.profile.judges) if self._dockets else None

    def check(self, benchmarks: Iterable[str]) -> None:
        """Raise `BadInput` where a judge of ``benchmarks`` lacks its key or its library."""
        for kind in {self._loaded.profile.judges.of(b) for b in benchmarks}:
            self.check_kind(kind)

    def check_kind(self, kind: str) -> None:
        """The same for one kind of judge."""
        settings, where = self._loaded.profile.judges.settings(kind), self._loaded.path
        if settings is not None:
            assert self.ledger  # a store that is broken is told now
        if isinstance(settings, Gemini | OpenAI):
            apis.check(settings, f"{where}: judges.{kind}")
            if settings.concurrency < self._workshop.share:
                raise BadInput(
                    f"{where}: judges.{kind}.concurrency = {settings.concurrency}: fewer than the "
                    f"{self._workshop.share} processes of -n; raise it, or have fewer"
                )

    def interrupted(self) -> None:
        """Somebody stopped the session: say that nothing is lost."""
        if self._dockets:
            self.notices.add("what was answered and judged is kept; run the same again to go on")

    def drain(self) -> None:
        """Have all judged that was queued: other processes may wait for it."""
        for docket in self._dockets.values():
            docket.drain()

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
        return told | settings.told(include=settings.DECIDE)
