"""The judges of a profile: which judge scores which measures, and how each is described."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from lek.benchmarks.benchmark import SHIPPED, Benchmark, Measure
from lek.data.lem import Scores, read_scores, scores_file
from lek.errors import BadInput
from lek.generation.backend import Backend
from lek.judges import likelihood, recorded, reference
from lek.judges.detectors import compliance_detector, degeneration_detector, refusal_detector
from lek.judges.exact.judge import exact
from lek.judges.llm import probe, prompt
from lek.judges.llm.claims import Claims
from lek.judges.llm.judge import LLMJudge
from lek.judges.llm.local import BatchExecutor, LocalJudge
from lek.judges.recorded import RecordedJudge
from lek.profile.loading import LoadedProfile
from lek.profile.schema import JUDGE_KINDS, NONE, APIJudgeSettings, JudgesConfig, LocalJudgeSettings
from lek.providers import endpoint
from lek.providers.pool import ThreadExecutor
from lek.providers.probe import SUBJECT as PROBE
from lek.providers.probe import probe as send_probe
from lek.providers.usage import ANSWERS, Usage, UsageRow, cost
from lek.records import (
    NOT_RECORDED,
    Case,
    Response,
    Verdict,
    merge_verdicts,
    unscored_verdict,
)
from lek.workspace.fingerprint import code_digest
from lek.workspace.progress import Notices
from lek.workspace.workspace import Workspace

DETECTORS = {
    "refusal_detector": refusal_detector,
    "compliance_detector": compliance_detector,
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
        "judges/exact/question.py",
    ),
    "reference": ("judges/reference.py",),
    "likelihood": ("judges/likelihood.py",),
    "refusal_detector": _DETECTOR_CODE,
    "compliance_detector": _DETECTOR_CODE,
    "degeneration_detector": _DETECTOR_CODE,
}


class Judge(Protocol):
    """Scores responses that have a text on some measures.

    ``deferred``: judging takes time, so responses should be queued as soon as they are complete.
    """

    name: str
    deferred: bool

    @property
    def batched(self) -> bool:
        """Whether it judges in batches, which should be as large as possible."""

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict on ``response``, with scores for ``measures`` only."""

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Queue ``response`` for judging; returns at once."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """The keys of the requests that a verdict still needs, and the characters per prompt."""

    def drain(self) -> None:
        """Judge all queued responses; returns when that is done."""

    def close(self) -> None:
        """Send no more requests."""


class ImmediateJudge:
    """Wraps a function that judges at once and without cost."""

    deferred = batched = False

    def __init__(
        self, name: str, function: Callable[[Case, Response, Sequence[Measure]], Verdict]
    ) -> None:
        self.name, self._function = name, function

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict that the function returns."""
        return self._function(case, response, measures)

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Do nothing: the judge works when it is called."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """No keys: the judge makes no requests."""
        return [], 0

    def drain(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class BenchmarkJudge:
    """Judges the responses to one benchmark, each measure with the judge assigned to it.

    ``parts``: the judges, each with its measures. Measures without a judge are left out.
    """

    def __init__(self, benchmark: Benchmark, parts: Sequence[tuple[Judge, list[Measure]]]) -> None:
        self.parts = tuple(parts)
        judged = {measure.name for _, measures in parts for measure in measures}
        self.measures = tuple(m for m in benchmark.measures if m.name in judged)

    def __call__(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``.

        It is unscored if the subject has no answer, unless the verdict on it was recorded.
        """
        why = response.reason
        verdicts = [
            judge(case, response, ms)
            if why is None or (why == NOT_RECORDED and judge.name == recorded.NAME)
            else unscored_verdict(case, response, ms, "no_response", why, judge=judge.name)
            for judge, ms in self._applying(case)
        ]
        if not verdicts:
            return Verdict(case=case, response=response, scores={}, judges={})
        return merge_verdicts(verdicts, self.measures)

    def queue(self, case: Case, response: Response) -> None:
        """Queue ``response`` with each judge that applies to ``case``."""
        for judge, measures in self._applying(case):
            judge.queue(case, response, measures)

    def missing(
        self, case: Case, response: Response, kinds: Collection[str] | None = None
    ) -> list[tuple[str, list[str], int]]:
        """For each deferred judge: its name, and the keys and characters of `Judge.missing`.

        ``kinds``: the names of the judges to consider, if not all.
        """
        return [
            (judge.name, *judge.missing(case, response, measures))
            for judge, measures in self._applying(case)
            if judge.deferred and (kinds is None or judge.name in kinds)
        ]

    @property
    def deferred(self) -> bool:
        """Whether one of the judges is deferred."""
        return any(judge.deferred for judge, _ in self.parts)

    @property
    def batched(self) -> bool:
        """Whether one of the judges works in batches."""
        return any(judge.batched for judge, _ in self.parts)

    def _applying(self, case: Case) -> list[tuple[Judge, list[Measure]]]:
        """The judges with those of their measures that apply to ``case``."""
        parts = []
        for judge, measures in self.parts:
            applying = [m for m in measures if m.applies_to(case.reference)]
            if applying:
                parts.append((judge, applying))
        return parts


def builtin_judge(name: str, config: JudgesConfig) -> Judge:
    """The judge ``name`` (exact, reference, likelihood or a detector) without model or records."""
    if name == "exact":
        return ImmediateJudge(name, exact)
    if name == likelihood.NAME:
        return ImmediateJudge(name, likelihood.likelihood)
    if name == "reference":
        return ImmediateJudge(name, partial(reference.reference, floor=config.reference.floor))
    return ImmediateJudge(name, DETECTORS[name])


def builtin_protocol(name: str, config: JudgesConfig) -> dict[str, Any]:
    """The digest of the code of a built-in judge, with the settings that change its scores."""
    description = {"digest": code_digest(*_CODE[name])}
    return description | (config.reference.model_dump() if name == "reference" else {})


# an executor, the judge's identity, and a function that removes its key from a text
_Parts = tuple[ThreadExecutor | BatchExecutor, Callable[[], str], Callable[[str], str]]


class Judges:
    """The judges of a profile for the data in ``directory``.

    ``unload``: called to free the model in memory before a judge is loaded in this process.
    """

    def __init__(
        self,
        loaded: LoadedProfile,
        directory: Path | None,
        workspace: Workspace,
        unload: Callable[[], None] = lambda: None,
    ) -> None:
        self._loaded, self._directory = loaded, directory
        self._workspace, self._unload = workspace, unload
        self._scores: Scores | None = None
        self._llm_judges: dict[str, LLMJudge] = {}
        self._pools: dict[str, ThreadExecutor] = {}  # of the judges behind an API
        self._probed: set[str] = set()
        self.notes: list[str] = []
        self.notices = Notices(workspace.progress)

    def of(
        self, benchmark: Benchmark, subjects: Collection[str], cases: Sequence[Case], place: str
    ) -> BenchmarkJudge:
        """The judge of the answers of ``subjects`` to ``benchmark``.

        ``cases``: all cases in the file or data set ``place``. Raises `BadInput` if recorded
        verdicts cannot be read, or if cases lack the reference answers that their judge needs. Keys
        of APIs are checked by `check`.
        """
        parts: list[tuple[Judge, list[Measure]]] = []
        for kind, measures in self.measures(benchmark).items():
            if kind == "reference":
                for case in cases:
                    if applying := [m for m in measures if m.applies_to(case.reference)]:
                        reference.check(case, applying, place)
            if kind == likelihood.NAME:
                self.notes += likelihood.check(cases, measures, place)
            if kind == recorded.NAME:
                published = self._recorded(benchmark, subjects)
                self.notes += published.notes({case.id for case in cases})
                parts.append((ImmediateJudge(kind, published), measures))
            else:
                parts.append((self.judge(kind), measures))
        return BenchmarkJudge(benchmark, parts)

    def measures(self, benchmark: Benchmark) -> dict[str, list[Measure]]:
        """The measures of ``benchmark``, by the kind of judge or the detector that scores them.

        An LLM judge scores all measures that have a rubric, and no others. Without it, detectors
        score their measures, and the exact judge its own if there is no other judge. Measures that
        need a judge are left out if there is none.
        """
        config = self._loaded.profile.judges
        if config.left_out(benchmark.name):
            return {}
        default = config.of(benchmark.name)
        only_recorded = default == recorded.NAME and self._loaded.profile.data.scores is not None
        is_llm = default != NONE and JUDGE_KINDS[default].is_llm
        by_kind: dict[str, list[Measure]] = {}
        for measure in benchmark.measures:
            kind = default
            if is_llm and measure.rubric is not None:
                pass
            elif only_recorded and measure.detected:
                kind = NONE
            elif measure.detected or measure.source == likelihood.NAME:
                kind = measure.source
            elif measure.source == "exact":
                if is_llm or default == NONE:
                    kind = "exact"
            elif default == "exact":
                kind = NONE
            if kind != NONE:
                by_kind.setdefault(kind, []).append(measure)
        return by_kind

    def _recorded(self, benchmark: Benchmark, subjects: Collection[str]) -> RecordedJudge:
        if self._scores is None:
            assert self._directory is not None  # recorded verdicts need one
            name = self._loaded.profile.data.scores
            self._scores = read_scores(scores_file(self._directory, name))
        names = self._loaded.profile.recorded
        models = {subject: model for subject, model in names.items() if subject in subjects}
        return RecordedJudge(self._scores, benchmark.name, models)

    def judge(self, kind: str) -> Judge:
        """The judge ``kind``; not for "recorded", which depends on the benchmark."""
        is_llm = kind in JUDGE_KINDS and JUDGE_KINDS[kind].is_llm
        return self.llm_judge(kind) if is_llm else builtin_judge(kind, self._loaded.profile.judges)

    def llm_judge(self, kind: str) -> LLMJudge:
        """The LLM judge ``kind``, shared by all of its benchmarks."""
        if kind not in self._llm_judges:
            settings = self._loaded.profile.judges.settings(kind)
            assert settings is not None  # ensured when the profile was loaded
            if isinstance(settings, LocalJudgeSettings):
                parts = self._local(settings)
            else:
                assert isinstance(settings, APIJudgeSettings)
                parts = self._remote(kind, settings)
            executor, identity, scrub = parts
            self._llm_judges[kind] = LLMJudge(
                kind,
                self._loaded.benchmarks,
                settings.votes,
                executor,
                lambda: self._workspace.store,
                lambda: self.usage,
                cache(partial(self._claims, batched=executor.batched)),
                identity,
                fresh=self._workspace.fresh,
                scrub=scrub,
            )
        return self._llm_judges[kind]

    def _local(self, settings: LocalJudgeSettings) -> _Parts:
        is_path = settings.model.startswith((".", "/", "~", SHIPPED))
        if is_path and not self._loaded.relative(settings.model).is_dir():
            where = f"{self._loaded.path}: judges.mlx.model = '{settings.model}'"
            if self._loaded.relative(settings.model).is_file():
                text = (
                    "is a file; expected a model directory (lek build SUBJECT --out DIR makes one)"
                )
                raise BadInput(f"{where}: {text}")
            raise BadInput(f"{where}: no such directory; expected a model directory")
        judge = LocalJudge(
            self._loaded, settings, lambda: self._workspace.store, dry=self._workspace.dry
        )

        def open_judge() -> Backend:
            self._unload()
            return judge.open()

        name = f"mlx judge ({Path(settings.model).name})"
        workspace = self._workspace
        executor = BatchExecutor(
            open_judge, name, judge.decoding, workspace.progress, self._spend_budget
        )
        return (
            executor,
            cache(lambda: json.dumps(["mlx", judge.fingerprint, settings.deciding()])),
            str,
        )

    def _remote(self, kind: str, settings: APIJudgeSettings) -> _Parts:
        workspace = self._workspace

        def open_client() -> Any:  # imports the client of APIs only when it is needed
            from lek.providers.client import RateLimitedClient

            return RateLimitedClient(
                endpoint.endpoint(kind, settings),
                settings,
                spend_budget=self._spend_budget,
                return_budget=self._return_budget,
                say=lambda line: self.notices.add(f"{kind} judge: {line}"),
                share=workspace.share,
            )

        size = max(1, settings.concurrency // workspace.share)
        pool = ThreadExecutor(open_client, size, lambda left: self.notices.waiting(kind, left))
        self._pools[kind] = pool
        form = endpoint.form_of(kind, settings)
        identity = json.dumps([kind, settings.deciding(), *([form] if form else [])])
        return pool, lambda: identity, partial(endpoint.scrub, settings)

    def _spend_budget(self) -> bool:
        allowed = self.usage.count_call(self._workspace.calls)
        if not allowed and self.usage.stopped:
            self.close()
        return allowed

    def _claims(self, *, batched: bool) -> Claims:
        """The claims to votes, among all sessions that use the store.

        Among one session only if its votes alone count, and for a judge that works in batches: its
        batch may begin long after the claims to it.
        """
        workspace = self._workspace
        return Claims(
            workspace.store,
            workspace.session,
            workspace.processes,
            lambda: workspace.presence,
            scope=workspace.session if workspace.fresh or batched else "",
        )

    def _return_budget(self) -> None:
        self.usage.return_call()

    @cached_property
    def usage(self) -> Usage:
        """The usage of LLM judges in this session, opened at first use."""
        return Usage(self._workspace.store, self._workspace.session)

    def cost(self) -> dict[str, Any] | None:
        """The cost of LLM judges in this session, over all its processes; ``None`` without any.

        For the form see `lek.providers.usage.cost`.
        """
        if not self._llm_judges:
            return None
        rows = [row for row in self.usage.spent() if row.judge != ANSWERS]
        return cost(rows, lambda row: self._loaded.profile.judges.settings(row.judge))

    def check(self, benchmarks: Iterable[str]) -> None:
        """Raise `BadInput` if a judge of ``benchmarks`` lacks its key or its client library."""
        kinds = [k for b in benchmarks for k in self.measures(self._loaded.benchmarks[b])]
        for kind in dict.fromkeys(kinds):
            self.check_kind(kind)

    def check_kind(self, kind: str) -> None:
        """Raise `BadInput` if the judge ``kind`` lacks its key or its client library.

        Also if it allows fewer concurrent requests than there are processes.
        """
        settings, where = self._loaded.profile.judges.settings(kind), self._loaded.path
        if settings is not None:
            assert self.usage  # opens the store, so that a broken one is reported now
        if isinstance(settings, APIJudgeSettings):
            endpoint.check(kind, settings, f"{where}: judges.{kind}", ", or choose another judge")
            if settings.concurrency < self._workspace.share:
                raise BadInput(
                    f"{where}: judges.{kind}.concurrency = {settings.concurrency}: fewer than the "
                    f"{self._workspace.share} processes of -n; raise it, or lower -n"
                )

    def probe(self, answers: Iterable[tuple[BenchmarkJudge, Case, Response | None]]) -> None:
        """Send one small request to each API judge that lacks votes on some of ``answers``.

        ``answers``: each with its judge; ``None`` for a response that is not generated yet. Raises
        `BadInput` for an error that only the user can correct, such as a wrong key. After others
        the session goes on. Sends nothing if the budget would not allow a question afterwards.
        """
        left, budget = set(self._pools) - self._probed, self._workspace.calls
        if budget is not None and budget <= len(left):
            return
        for judge, case, response in answers:
            if not left:
                return
            if response is not None and response.reason is not None:
                continue  # nothing to judge
            unknown = Response(subject="", case=case.id, text=" ")
            for kind, keys, _ in judge.missing(case, response or unknown, left):
                if keys:
                    left.discard(kind)
                    self._probe(kind)

    def _probe(self, kind: str) -> None:
        self._probed.add(kind)
        row, client = UsageRow(PROBE, kind, 0, 0, 0), self._pools[kind].client
        problem = send_probe(client, probe.QUESTION, self.usage, row, "this judge")
        if problem is not None:
            raise BadInput(f"{self._loaded.path}: judges.{kind}: {problem}")

    @property
    def has_llm(self) -> bool:
        """Whether an LLM judge is used."""
        return bool(self._llm_judges)

    def drain(self) -> None:
        """Judge all queued responses: other processes may wait for the votes."""
        for llm_judge in self._llm_judges.values():
            llm_judge.drain()

    def close(self) -> None:
        """Close all LLM judges: they send no more requests."""
        for llm_judge in self._llm_judges.values():
            llm_judge.close()

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file that the judges have read, by its name."""
        return {self._scores.path.name: self._scores.digest} if self._scores else {}

    def protocol(self, benchmark: Benchmark) -> dict[str, Any]:
        """The judges of ``benchmark``, with the measures, digest and settings of each."""
        return {
            kind: {"measures": [m.name for m in measures], **self.described(kind, benchmark)}
            for kind, measures in self.measures(benchmark).items()
        }

    def described(self, kind: str, benchmark: Benchmark) -> dict[str, Any]:
        """The digest of the judge ``kind`` and the settings that change its scores."""
        if kind == "recorded":
            return {"digest": self._scores.digest if self._scores else None}
        settings = self._loaded.profile.judges.settings(kind)
        if settings is None:
            return builtin_protocol(kind, self._loaded.profile.judges)
        measures = tuple(self.measures(benchmark).get(kind) or measures_for(kind, benchmark))
        digest = prompt.load(benchmark, measures).digest
        description: dict[str, Any] = {"digest": digest, "votes": settings.votes}
        if isinstance(settings, APIJudgeSettings):
            description["client"] = endpoint.client_of(kind, settings)
        return description | settings.public_dict(include=settings.DECIDE)


def measures_for(kind: str, benchmark: Benchmark) -> tuple[Measure, ...]:
    """The measures of ``benchmark`` that a judge of ``kind`` can score."""
    if not JUDGE_KINDS[kind].suits(benchmark):
        return ()
    if JUDGE_KINDS[kind].is_llm:
        return tuple(m for m in benchmark.measures if m.rubric is not None)
    if kind == "exact":
        return tuple(m for m in benchmark.measures if m.source == "exact")
    return tuple(m for m in benchmark.measures if not m.detected)
