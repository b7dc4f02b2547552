"""A profile and its data -> the judge of each benchmark, and what it judges by."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.costs import cost
from lek.data.lem import Scores, read_scores, scores_file
from lek.docket import Docket
from lek.errors import BadInput
from lek.generation.backend import Backend
from lek.hearing import Batch, Pool
from lek.judges import reference, rubric
from lek.judges.recorded import RecordedJudge
from lek.ledger import Ledger
from lek.local import LocalJudge
from lek.plain import (
    BenchmarkJudge,
    ImmediateJudge,
    Judge,
    builtin_judge,
    builtin_protocol,
)
from lek.profile.loading import LoadedProfile
from lek.profile.schema import JUDGE_KINDS, NONE, Local, Remote
from lek.providers import endpoint
from lek.records import Case
from lek.workspace.progress import Notices
from lek.workspace.store import Store
from lek.workspace.workspace import Workshop

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

    def of(
        self, benchmark: Benchmark, subjects: Collection[str], cases: Sequence[Case], file: Path
    ) -> BenchmarkJudge:
        """Who judges the answers of ``subjects`` to ``benchmark``.

        ``cases`` are all that ``file`` has. Raises `BadInput` where recorded verdicts cannot be
        read, or cases lack the reference answers that they are judged by; keys are looked for by
        `check`.
        """
        parts: list[tuple[Judge, list[Measure]]] = []
        for kind, measures in self.measures(benchmark).items():
            if kind == "reference":
                for case in cases:
                    if applying := [m for m in measures if m.applies_to(case.reference)]:
                        reference.check(case, applying, str(file))
            if kind == "recorded":
                recorded = self._recorded(benchmark, subjects)
                self.notes += recorded.notes({case.id for case in cases})
                parts.append((ImmediateJudge(kind, recorded), measures))
            else:
                parts.append((self.judge(kind), measures))
        return BenchmarkJudge(benchmark, parts)

    def measures(self, benchmark: Benchmark) -> dict[str, list[Measure]]:
        """The measures of ``benchmark`` by the kind of judge, or the detector, that scores them.

        What the benchmark's judge has no rubric for is scored by the exact judge; measures that
        need a judge are left out where there is none.
        """
        chosen = self._loaded.profile.judges.of(benchmark.name)
        found: dict[str, list[Measure]] = {}
        for measure in benchmark.measures:
            kind = chosen
            if measure.detected:
                kind = measure.source
            elif measure.source == "exact":
                needs_rubric = chosen != NONE and JUDGE_KINDS[chosen].is_llm
                if chosen == NONE or (needs_rubric and measure.rubric is None):
                    kind = "exact"
            elif chosen == "exact":
                kind = NONE
            if kind != NONE:
                found.setdefault(kind, []).append(measure)
        return found

    def _recorded(self, benchmark: Benchmark, subjects: Collection[str]) -> RecordedJudge:
        if self._scores is None:
            self._scores = read_scores(scores_file(self._directory))
        models = {
            s.name: s.recorded
            for s in self._loaded.profile.subjects
            if s.recorded is not None and s.name in subjects
        }
        return RecordedJudge(self._scores, benchmark.name, models)

    def judge(self, kind: str) -> Judge:
        """The judge ``kind``, which is no record."""
        is_llm = kind in JUDGE_KINDS and JUDGE_KINDS[kind].is_llm
        return self.llm_judge(kind) if is_llm else builtin_judge(kind, self._loaded.profile.judges)

    def llm_judge(self, kind: str) -> Docket:
        """The LLM judge ``kind``: one for all of its benchmarks."""
        if kind not in self._dockets:
            settings = self._loaded.profile.judges.settings(kind)
            assert settings is not None  # the profile was checked for it
            if isinstance(settings, Local):
                made = self._local(settings)
            else:
                assert isinstance(settings, Remote)
                made = self._remote(kind, settings)
            hearing, identity, scrub = made
            self._dockets[kind] = Docket(
                kind,
                self._loaded.benchmarks,
                settings.votes,
                hearing,
                lambda: self.ledger,
                identity,
                since=self._workshop.since,
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

    def _remote(self, kind: str, settings: Remote) -> _Made:
        shop = self._workshop

        def calls() -> Any:  # what talks to APIs is not imported before it is needed
            from lek.providers.client import Calls

            return Calls(
                endpoint.endpoint(kind, settings),
                settings,
                take=self._take_call,
                say=lambda line: self.notices.add(f"{kind} judge: {line}"),
                share=shop.share,
            )

        size = max(1, settings.concurrency // shop.share)
        pool = Pool(calls, size, lambda left: self.notices.waiting(kind, left))
        identity = json.dumps([kind, settings.deciding()])
        return pool, lambda: identity, partial(endpoint.scrub, settings)

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
        kinds = [k for b in benchmarks for k in self.measures(self._loaded.benchmarks[b])]
        for kind in dict.fromkeys(kinds):
            self.check_kind(kind)

    def check_kind(self, kind: str) -> None:
        """The same for one kind of judge."""
        settings, where = self._loaded.profile.judges.settings(kind), self._loaded.path
        if settings is not None:
            assert self.ledger  # a store that is broken is told now
        if isinstance(settings, Remote):
            endpoint.check(kind, settings, f"{where}: judges.{kind}")
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

    def protocol(self, benchmark: Benchmark) -> dict[str, Any]:
        """Who judges which measures of ``benchmark``, and by what: digests and settings."""
        return {
            kind: {"measures": [m.name for m in measures], **self.described(kind, benchmark)}
            for kind, measures in self.measures(benchmark).items()
        }

    def described(self, kind: str, benchmark: Benchmark) -> dict[str, Any]:
        """What the judge ``kind`` judges by: a digest, and the settings that move its scores."""
        if kind == "recorded":
            return {"digest": self._scores.digest if self._scores else None}
        settings = self._loaded.profile.judges.settings(kind)
        if settings is None:
            return builtin_protocol(kind, self._loaded.profile.judges)
        measures = tuple(self.measures(benchmark).get(kind) or measures_for(kind, benchmark))
        digest = rubric.load(benchmark, measures).digest
        described: dict[str, Any] = {"digest": digest, "votes": settings.votes}
        if isinstance(settings, Remote):
            described["client"] = endpoint.client_of(kind, settings)
        return described | settings.told(include=settings.DECIDE)


def measures_for(kind: str, benchmark: Benchmark) -> tuple[Measure, ...]:
    """The measures that a judge of ``kind`` can score; none where it does not suit."""
    if not JUDGE_KINDS[kind].suits(benchmark):
        return ()
    if JUDGE_KINDS[kind].is_llm:
        return tuple(m for m in benchmark.measures if m.rubric is not None)
    if kind == "exact":
        return tuple(m for m in benchmark.measures if m.source == "exact")
    return tuple(m for m in benchmark.measures if not m.detected)
