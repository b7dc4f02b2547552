"""A profile and its data -> the judge of each benchmark, and what it judges by."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.data.lem import Scores, read_scores, scores_file
from lek.errors import BadInput
from lek.generation.backend import Backend
from lek.judges import reference
from lek.judges.detectors import degeneration_detector, refusal_detector
from lek.judges.exact.judge import exact
from lek.judges.llm import prompt
from lek.judges.llm.judge import LLMJudge
from lek.judges.llm.local import BatchExecutor, LocalJudge
from lek.judges.llm.remote import ThreadExecutor
from lek.judges.llm.usage import Usage, cost
from lek.judges.recorded import RecordedJudge
from lek.profile.loading import SHIPPED, LoadedProfile
from lek.profile.schema import JUDGE_KINDS, NONE, APIJudgeSettings, JudgesConfig, LocalJudgeSettings
from lek.providers import endpoint
from lek.records import Case, Response, Verdict, merge_verdicts, unscored_verdict
from lek.workspace.fingerprint import code_digest
from lek.workspace.progress import Notices
from lek.workspace.workspace import Workspace

DETECTORS = {
    "refusal_detector": refusal_detector,
    "degeneration_detector": degeneration_detector,
}
_DETECTOR_CODE = (
    "judges/detectors.py",
    "text/refusals.py",
    "text/refusals.toml",
    "text/degeneration.py",
    "text/sentences.py",
)
_CODE = {
    "exact": (
        "judges/exact/judge.py",
        "judges/exact/extraction.py",
        "judges/exact/numerals.py",
    ),
    "reference": ("judges/reference.py",),
    "refusal_detector": _DETECTOR_CODE,
    "degeneration_detector": _DETECTOR_CODE,
}


class Judge(Protocol):
    """Whoever scores some measures of responses that have a text.

    ``deferred`` says that it answers later than it is asked, so that responses are best queued as
    they come; ``batched`` that it is asked in batches, the larger the better.
    """

    name: str
    deferred: bool

    @property
    def batched(self) -> bool:
        """Whether it is asked in batches."""

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict on ``response``, on ``measures`` alone."""

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Have ``response`` judged sooner or later; returns at once."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """The keys of the requests that a verdict would take, and the characters of each."""

    def drain(self) -> None:
        """Have all judged that was queued."""

    def close(self) -> None:
        """Ask nothing more."""


class ImmediateJudge:
    """A function that judges at once and at no cost, as a judge."""

    deferred = batched = False

    def __init__(
        self, name: str, function: Callable[[Case, Response, Sequence[Measure]], Verdict]
    ) -> None:
        self.name, self._function = name, function

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict of the function."""
        return self._function(case, response, measures)

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Do nothing: it judges when it is called."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """Nothing: it makes no requests."""
        return [], 0

    def drain(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class BenchmarkJudge:
    """Judges responses to one benchmark: each of its measures by the judge that has it.

    ``parts`` are the judges, each with its measures. Measures that no judge has are left out.
    """

    def __init__(self, benchmark: Benchmark, parts: Sequence[tuple[Judge, list[Measure]]]) -> None:
        self.parts = tuple(parts)
        has = {measure.name for _, measures in parts for measure in measures}
        self.measures = tuple(m for m in benchmark.measures if m.name in has)

    def __call__(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``; without a text there is nothing to judge: unscored."""
        if response.text is None:
            why = response.reason or "no response"
            verdicts = [
                unscored_verdict(case, response, ms, "no_response", why, judge=judge.name)
                for judge, ms in self._applying(case)
            ]
        else:
            verdicts = [judge(case, response, ms) for judge, ms in self._applying(case)]
        if not verdicts:
            return Verdict(case=case, response=response, scores={}, judges={})
        return merge_verdicts(verdicts, self.measures)

    def queue(self, case: Case, response: Response) -> None:
        """Have ``response`` judged by those who take longer."""
        for judge, measures in self._applying(case):
            judge.queue(case, response, measures)

    def missing(self, case: Case, response: Response) -> list[tuple[str, list[str], int]]:
        """By judge that makes requests: its name, the keys that are missing, their characters."""
        return [
            (judge.name, *judge.missing(case, response, measures))
            for judge, measures in self._applying(case)
            if judge.deferred
        ]

    @property
    def deferred(self) -> bool:
        """Whether one of its judges takes longer."""
        return any(judge.deferred for judge, _ in self.parts)

    @property
    def batched(self) -> bool:
        """Whether one of its judges is asked in batches."""
        return any(judge.batched for judge, _ in self.parts)

    def _applying(self, case: Case) -> list[tuple[Judge, list[Measure]]]:
        found = []
        for judge, measures in self.parts:
            applying = [m for m in measures if m.applies_to(case.reference)]
            if applying:
                found.append((judge, applying))
        return found


def builtin_judge(name: str, config: JudgesConfig) -> Judge:
    """The judge of that name that needs nothing but the case and the response."""
    if name == "exact":
        return ImmediateJudge(name, exact)
    if name == "reference":
        return ImmediateJudge(name, partial(reference.reference, floor=config.reference.floor))
    return ImmediateJudge(name, DETECTORS[name])


def builtin_protocol(name: str, config: JudgesConfig) -> dict[str, Any]:
    """What such a judge judges by."""
    described = {"digest": code_digest(*_CODE[name])}
    return described | (config.reference.model_dump() if name == "reference" else {})


_Made = tuple[ThreadExecutor | BatchExecutor, Callable[[], str], Callable[[str], str]]


class Judges:
    """The judges of a profile over the data in ``directory``.

    ``release`` lets go of the model in memory, to make room for a judge in this process.
    """

    def __init__(
        self,
        loaded: LoadedProfile,
        directory: Path,
        workspace: Workspace,
        unload: Callable[[], None] = lambda: None,
    ) -> None:
        self._loaded, self._directory = loaded, directory
        self._workspace, self._unload = workspace, unload
        self._scores: Scores | None = None
        self._llm_judges: dict[str, LLMJudge] = {}
        self.notes: list[str] = []
        self.notices = Notices(workspace.progress)

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
        recorded = self._loaded.profile.recorded
        models = {subject: model for subject, model in recorded.items() if subject in subjects}
        return RecordedJudge(self._scores, benchmark.name, models)

    def judge(self, kind: str) -> Judge:
        """The judge ``kind``, which is no record."""
        is_llm = kind in JUDGE_KINDS and JUDGE_KINDS[kind].is_llm
        return self.llm_judge(kind) if is_llm else builtin_judge(kind, self._loaded.profile.judges)

    def llm_judge(self, kind: str) -> LLMJudge:
        """The LLM judge ``kind``: one for all of its benchmarks."""
        if kind not in self._llm_judges:
            settings = self._loaded.profile.judges.settings(kind)
            assert settings is not None  # the profile was checked for it
            if isinstance(settings, LocalJudgeSettings):
                made = self._local(settings)
            else:
                assert isinstance(settings, APIJudgeSettings)
                made = self._remote(kind, settings)
            executor, identity, scrub = made
            self._llm_judges[kind] = LLMJudge(
                kind,
                self._loaded.benchmarks,
                settings.votes,
                executor,
                lambda: self._workspace.store,
                lambda: self.usage,
                identity,
                since=self._workspace.since,
                scrub=scrub,
                shared=self._workspace.share > 1,
            )
        return self._llm_judges[kind]

    def _local(self, settings: LocalJudgeSettings) -> _Made:
        local = settings.model.startswith((".", "/", "~", SHIPPED))
        if local and not self._loaded.relative(settings.model).is_dir():
            where = f"{self._loaded.path}: judges.mlx.model = '{settings.model}'"
            raise BadInput(f"{where}: no such directory; expected one that holds a model")
        judge = LocalJudge(
            self._loaded, settings, lambda: self._workspace.store, dry=self._workspace.dry
        )

        def opened() -> Backend:
            self._unload()
            return judge.open()

        name = f"mlx judge ({Path(settings.model).name})"
        workspace = self._workspace
        batch = BatchExecutor(opened, name, judge.decoding, workspace.progress, self._spend_budget)
        return (
            batch,
            cache(lambda: json.dumps(["mlx", judge.fingerprint, settings.deciding()])),
            str,
        )

    def _remote(self, kind: str, settings: APIJudgeSettings) -> _Made:
        workspace = self._workspace

        def calls() -> Any:  # what talks to APIs is not imported before it is needed
            from lek.providers.client import RateLimitedClient

            return RateLimitedClient(
                endpoint.endpoint(kind, settings),
                settings,
                spend_budget=self._spend_budget,
                say=lambda line: self.notices.add(f"{kind} judge: {line}"),
                share=workspace.share,
            )

        size = max(1, settings.concurrency // workspace.share)
        pool = ThreadExecutor(calls, size, lambda left: self.notices.waiting(kind, left))
        identity = json.dumps([kind, settings.deciding()])
        return pool, lambda: identity, partial(endpoint.scrub, settings)

    def _spend_budget(self) -> bool:
        most = self._workspace.calls
        return most is None or self.usage.count_call(most)

    @cached_property
    def usage(self) -> Usage:
        """What judges were asked, and their votes; opened at first need."""
        return Usage(self._workspace.store, self._workspace.session)

    def cost(self) -> dict[str, Any] | None:
        """What judges cost in this session, in all its processes; ``None``: none is a model."""
        return cost(self.usage.spent(), self._loaded.profile.judges) if self._llm_judges else None

    def check(self, benchmarks: Iterable[str]) -> None:
        """Raise `BadInput` where a judge of ``benchmarks`` lacks its key or its library."""
        kinds = [k for b in benchmarks for k in self.measures(self._loaded.benchmarks[b])]
        for kind in dict.fromkeys(kinds):
            self.check_kind(kind)

    def check_kind(self, kind: str) -> None:
        """The same for one kind of judge."""
        settings, where = self._loaded.profile.judges.settings(kind), self._loaded.path
        if settings is not None:
            assert self.usage  # a store that is broken is told now
        if isinstance(settings, APIJudgeSettings):
            endpoint.check(kind, settings, f"{where}: judges.{kind}")
            if settings.concurrency < self._workspace.share:
                raise BadInput(
                    f"{where}: judges.{kind}.concurrency = {settings.concurrency}: fewer than the "
                    f"{self._workspace.share} processes of -n; raise it, or have fewer"
                )

    def interrupted(self) -> None:
        """Somebody stopped the session: say that nothing is lost."""
        if self._llm_judges:
            self.notices.add("what was answered and judged is kept; run the same again to go on")

    def drain(self) -> None:
        """Have all judged that was queued: other processes may wait for it."""
        for llm_judge in self._llm_judges.values():
            llm_judge.drain()

    def close(self) -> None:
        """Let judges ask nothing more."""
        for llm_judge in self._llm_judges.values():
            llm_judge.close()

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
        digest = prompt.load(benchmark, measures).digest
        described: dict[str, Any] = {"digest": digest, "votes": settings.votes}
        if isinstance(settings, APIJudgeSettings):
            described["client"] = endpoint.client_of(kind, settings)
        return described | settings.public_dict(include=settings.DECIDE)


def measures_for(kind: str, benchmark: Benchmark) -> tuple[Measure, ...]:
    """The measures that a judge of ``kind`` can score; none where it does not suit."""
    if not JUDGE_KINDS[kind].suits(benchmark):
        return ()
    if JUDGE_KINDS[kind].is_llm:
        return tuple(m for m in benchmark.measures if m.rubric is not None)
    if kind == "exact":
        return tuple(m for m in benchmark.measures if m.source == "exact")
    return tuple(m for m in benchmark.measures if not m.detected)
