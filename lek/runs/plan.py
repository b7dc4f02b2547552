"""The plan of an evaluation: cases, subjects and judges; starts generation and judging early."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec.structs import replace as replace_fields

from lek.benchmarks.benchmark import Measure
from lek.data.cases import select
from lek.data.sources import CaseSet, case_source, read_cases
from lek.errors import BadInput, StoreError
from lek.generation.responses import Responses, SubjectResponses
from lek.judges.judges import BenchmarkJudge, Judges
from lek.models.machine import accelerated
from lek.profile.loading import LoadedProfile
from lek.records import Case, Response, Verdict, check_verdict
from lek.stats.gates import Gate, parse_gates
from lek.workspace.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """What a run evaluates. Benchmarks and subjects are in the order of the profile.

    ``cases``: the cases of each benchmark, reduced to ``limit``. ``answers``: the source of
    responses for each (benchmark, subject) that has one. ``selected``: the cases that pytest
    selected for each of these, filled in by `select`. ``digests``: SHA-256 of the data files by
    name. ``sets``: where the cases of each benchmark come from. ``protocol``: how each benchmark is
    judged. ``notes``: one line for each omission.
    ``prepared``: each (benchmark, subject, part of its cases) whose responses have been requested.
    """

    loaded: LoadedProfile
    directory: Path | None
    workspace: Workspace
    limit: int | None
    responses: SubjectResponses
    judges: Judges
    gates: list[Gate]
    cases: dict[str, list[Case]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Responses] = field(default_factory=dict)
    benchmark_judges: dict[str, BenchmarkJudge] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sets: dict[str, CaseSet] = field(default_factory=dict)
    protocol: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    selected: dict[tuple[str, str], list[Case]] = field(default_factory=lambda: defaultdict(list))
    prepared: set[tuple[str, str, int]] = field(default_factory=set)

    def subjects(self, benchmark: str) -> list[str]:
        """The subjects with a source of responses to ``benchmark``."""
        return [s for s in self.loaded.profile.subject_names if (benchmark, s) in self.answers]

    def planned(self, benchmark: str, subject: str) -> Set[str]:
        """The ids of the cases that the profile plans for ``subject``, whatever is selected."""
        can_be_scored = (benchmark, subject) in self.answers and self.measures(benchmark)
        return self._numbers[benchmark].keys() if can_be_scored else frozenset()

    def absent(self, benchmark: str) -> str | None:
        """Why ``benchmark`` cannot be evaluated, or ``None`` if it can."""
        if benchmark not in self.loaded.benchmarks:
            return f"profile {self.loaded.name} does not include {benchmark}"
        if self.loaded.profile.judges.left_out(benchmark):
            return f"{benchmark} is evaluated only with a judge; choose one with --lek-judge"
        if benchmark not in self.cases:
            return f"no cases of {benchmark} in {self.place}"
        if not self.benchmark_judges[benchmark].measures:
            return f"each measure of {benchmark} needs a judge; choose one with --lek-judge"
        if not self.subjects(benchmark) and self.loaded.benchmarks[benchmark].likelihood:
            return f"no subject gives likelihoods of the choices of {benchmark}"
        if not self.subjects(benchmark):
            return f"no recorded answers to {benchmark} in {self.place}/results"
        return None

    @property
    def place(self) -> str:
        """Where the data are, for messages."""
        return "the hub" if self.directory is None else str(self.directory)

    def judge(self, case: Case, response: Response) -> Verdict:
        """The verdict of the benchmark's judges on ``response``."""
        start = perf_counter()
        verdict = self.benchmark_judges[case.benchmark](case, response)
        return replace_fields(verdict, seconds=round(perf_counter() - start, 6))

    def measures(self, benchmark: str) -> tuple[Measure, ...]:
        """The measures of ``benchmark`` that have a judge; none if it has no cases."""
        judge = self.benchmark_judges.get(benchmark)
        return judge.measures if judge else ()

    @property
    def unjudged(self) -> list[tuple[str, str]]:
        """The (benchmark, measure) pairs for which no judge is configured."""
        return [
            (name, measure.name)
            for name, judge in self.benchmark_judges.items()
            for measure in self.loaded.benchmarks[name].measures
            if measure not in judge.measures
        ]

    def check(self, verdict: Verdict) -> None:
        """Raise `ValueError` unless ``verdict`` scores the measures that apply to its case."""
        check_verdict(verdict, self.measures(verdict.case.benchmark))

    def select(self, subject: str, case: Case | None) -> None:
        """Add ``case`` to the cases that pytest selected for ``subject``."""
        if case is not None:
            self.selected[case.benchmark, subject].append(case)

    def stored_responses(
        self, benchmarks: Collection[str]
    ) -> Iterator[tuple[BenchmarkJudge, Case, Response | None]]:
        """The selected cases of ``benchmarks``, each with its judge and its response.

        All cases if none is selected yet. ``None`` for a response that has to be generated.
        """
        for (benchmark, subject), answers in self.answers.items():
            cases = self._considered(benchmark, subject)
            judge = self.benchmark_judges[benchmark]
            if benchmark not in benchmarks or not judge.deferred or not cases:
                continue
            try:
                stored = answers.stored(cases)
            except BadInput:  # reported by the tests
                continue
            for case in cases:
                yield judge, case, stored.get(case.id)

    def unanswered(self, benchmarks: Collection[str]) -> Iterator[str]:
        """The served subjects that lack answers to selected cases of ``benchmarks``.

        To any case of these if none is selected yet.
        """
        for (benchmark, subject), answers in self.answers.items():
            if benchmark in benchmarks and subject in self.loaded.profile.served:
                cases = self._considered(benchmark, subject)
                if len(answers.stored(cases)) < len(cases):
                    yield subject

    def asked(self, benchmarks: Collection[str]) -> list[str]:
        """The subjects with selected cases of ``benchmarks``, or with any if none is selected."""
        pairs = [pair for pair in self.answers if pair[0] in benchmarks and self._considered(*pair)]
        return list(dict.fromkeys(subject for _, subject in pairs))

    def _considered(self, benchmark: str, subject: str) -> list[Case]:
        """The selected cases; all if none is selected yet, of any benchmark and subject."""
        if self.selected:
            return self.selected.get((benchmark, subject), [])
        return self.cases[benchmark]

    def interrupted(self) -> None:
        """After an interrupt, send no more requests, in no process; add a notice."""
        if self.judges.has_llm or self.loaded.profile.served:
            with suppress(StoreError):  # then no request is possible anyway
                self.judges.usage.stop()
            self.judges.notices.add(
                "finished responses and votes are stored; repeat the command to continue"
            )

    def close(self) -> None:
        """Send no more requests to judges and to servers of subjects."""
        self.judges.close()
        self.responses.close()

    def part(self, benchmark: str, subject: str, case: str) -> int:
        """The part of the cases of ``subject`` that ``case``, an id, is in, counted from 0.

        Models that compute on a CPU have as many parts as there are processes, which therefore
        work at the same time; all others have one.
        """
        split = subject in self._local and not accelerated()
        return self._numbers[benchmark][case] % self.workspace.share if split else 0

    @cached_property
    def _local(self) -> frozenset[str]:
        """The names of the subjects whose models this process loads."""
        return frozenset(subject.name for subject in self.loaded.profile.models)

    def prepare(self, case: Case, subject: str) -> None:
        """Generate the responses of ``subject`` to the cases selected with ``case``, once.

        These are the selected ones of the same benchmark, and of the same `part`.

        An LLM judge works meanwhile. To keep it busy, the subject's other benchmarks are generated
        too, and those of the next subject (of all later subjects, if the judge works in batches).
        An error is not raised here, but by the first call of ``respond``.
        """
        benchmark = case.benchmark
        if (benchmark, subject) not in self.answers:
            return
        part = self.part(benchmark, subject, case.id)
        if (benchmark, subject, part) in self.prepared:
            return
        self._answer(benchmark, subject, part)
        judge = self.benchmark_judges[benchmark]
        if not judge.deferred:
            return
        names = [subject]
        if self.workspace.share == 1:  # otherwise other processes generate the other subjects
            following = self.loaded.profile.subject_names
            following = following[following.index(subject) + 1 :]
            remaining = [s for s in following if any((b, s) in self.selected for b in self.cases)]
            names += remaining if judge.batched else remaining[:1]
        for name in names:
            for other in self.cases:
                self._answer(other, name, part)

    def _answer(self, benchmark: str, subject: str, part: int) -> None:
        key = benchmark, subject
        if (*key, part) in self.prepared:
            return
        cases = [c for c in self.selected.get(key, ()) if self.part(*key, c.id) == part]
        if cases:
            self.prepared.add((*key, part))
            judge = self.benchmark_judges[benchmark]
            on_response = partial(self._queue, judge) if judge.deferred else None
            self.answers[key].prepare(cases, on_response, part)

    def _queue(self, judge: BenchmarkJudge, case: Case, response: Response) -> None:
        judge.queue(case, response)
        self.judges.notices.show()

    def locate(self, parameters: str) -> list[tuple[str, str, str]]:
        """The (benchmark, subject, case id) that match a test's parameters ``subject-case``."""
        return [
            (benchmark, subject, parameters.removeprefix(f"{subject}-"))
            for benchmark, subject in self.answers
            if parameters.startswith(f"{subject}-")
            and parameters.removeprefix(f"{subject}-") in self._numbers[benchmark]
        ]

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        """By benchmark, the ids of the cases with their numbers."""
        return {b: {c.id: n for n, c in enumerate(cases)} for b, cases in self.cases.items()}


def make_plan(
    loaded: LoadedProfile, *, data: Path | None, limit: int | None, workspace: Workspace
) -> Plan:
    """Read and check everything that the profile names.

    ``data`` overrides the profile's data directory; ``limit`` is the number of cases per benchmark.
    Raises `BadInput`.
    """
    gates = parse_gates(loaded)
    directory = _directory(loaded, data)
    profile = loaded.profile
    responses = SubjectResponses(loaded, directory, workspace)
    judges = Judges(loaded, directory, workspace, responses.unload)
    plan = Plan(loaded, directory, workspace, limit, responses, judges, gates)
    responses.check()
    sampled = []
    for name, benchmark in loaded.benchmarks.items():
        if profile.judges.left_out(name):
            plan.benchmark_judges[name] = judges.of(benchmark, (), (), "")
            continue
        source = case_source(loaded, benchmark, directory)
        if source is None:
            continue
        plan.sets[name] = found = read_cases(source, benchmark)
        cases = found.cases
        if source.path is not None:
            plan.digests[Path(found.name).name] = found.facts["digest"]
        plan.cases[name] = select(cases, limit=limit, seed=profile.data.shuffle_seed)
        if len(plan.cases[name]) < len(cases):
            sampled.append(f"{len(plan.cases[name])} of {len(cases):,} cases of {name}")
        for subject in profile.subjects:
            answers = responses.of(subject, benchmark, {c.id for c in cases})
            if answers is not None:
                plan.answers[name, subject.name] = answers
        plan.benchmark_judges[name] = judges.of(benchmark, plan.subjects(name), cases, found.name)
        plan.protocol[name] = judges.protocol(benchmark)
    if not plan.answers:
        cause = "; ".join(responses.notes) if plan.cases else _expected(loaded)
        raise BadInput(f"{plan.place}: nothing to evaluate; {cause or _expected(loaded)}")
    _check_names(plan)
    plan.digests.update(responses.digests | judges.digests)
    if sampled:
        plan.notes.append(f"--lek-limit {limit}: metrics and gates are of {', '.join(sampled)}")
    plan.notes.extend(
        [
            *loaded.notes,
            *_left_out(plan),
            *_not_judged(plan),
            *_served(plan),
            *responses.notes,
            *judges.notes,
        ]
    )
    return plan


def _expected(loaded: LoadedProfile) -> str:
    """The files that a data directory needs at least, for an error message."""
    first = next(iter(loaded.benchmarks))
    text = f"expected cases such as {first}.jsonl"
    recorded = next(iter(loaded.profile.recorded.values()), None)
    return text + (f" and answers such as results/{first}_{recorded}.jsonl" if recorded else "")


def _directory(loaded: LoadedProfile, data: Path | None) -> Path | None:
    """The data directory; ``None`` if the profile has none and needs none."""
    if data is not None:
        directory, key = data, f"--lek-data {data}"
    elif loaded.profile.data.dir is not None:
        directory = loaded.relative(loaded.profile.data.dir)
        key = f"{loaded.path}: data.dir = '{loaded.profile.data.dir}'"
    elif loaded.profile.data.source == "hub" or not _without_source(loaded):
        return None
    else:
        raise BadInput(f"{loaded.path}: data.dir: missing; add it or give --lek-data DIR")
    if not directory.is_dir():
        raise BadInput(f"{key}: {'not a' if directory.exists() else 'no such'} directory")
    return directory


def _without_source(loaded: LoadedProfile) -> list[str]:
    """The benchmarks whose cases need a data directory."""
    return [n for n, b in loaded.benchmarks.items() if case_source(loaded, b, None) is None]


def _check_names(plan: Plan) -> None:
    """Raise `BadInput` if two tests of a benchmark would have the same name."""
    for benchmark, cases in plan.cases.items():
        seen: dict[str, str] = {}
        for subject in plan.subjects(benchmark):
            for case in cases:
                name = f"{subject}-{case.id}"
                if seen.setdefault(name, subject) != subject:
                    both = f"{plan.sets[benchmark].name}: {subject} and {seen[name]}"
                    raise BadInput(f"{both} both have a test [{name}]; rename a case or a subject")


def _left_out(plan: Plan) -> list[str]:
    """One line on the subjects and benchmarks that the data lack."""
    profile = plan.loaded.profile
    left_out = profile.judges.left_out
    asked = {n for n, b in plan.loaded.benchmarks.items() if b.likelihood and n in plan.cases}
    benchmarks = [
        name
        for name in plan.loaded.benchmarks
        if not plan.subjects(name) and not left_out(name) and name not in asked
    ]
    present = {s for _, s in plan.answers}
    answered = [b for n, b in plan.loaded.benchmarks.items() if n in plan.cases]
    with_answers = any(benchmark.likelihood is None for benchmark in answered)
    subjects = [s for s in profile.subject_names if s not in present and with_answers]
    incomplete = []
    for subject in (s for s in profile.subject_names if s in present):
        missing = [
            name
            for name, benchmark in plan.loaded.benchmarks.items()
            if name in plan.cases and name not in benchmarks
            if benchmark.likelihood is None and (name, subject) not in plan.answers
        ]
        incomplete += [f"{subject} on {', '.join(missing)}"] if missing else []
    parts = [f"subjects {', '.join(subjects)}"] if subjects else []
    parts += [f"benchmarks {', '.join(benchmarks)}"] if benchmarks else []
    parts += incomplete
    return [f"not in the data, left out: {'; '.join(parts)}"] if parts else []


def _served(plan: Plan) -> list[str]:
    """One line on the served subjects, of which less is known than of models in this process."""
    served = plan.loaded.profile.served
    names = ", ".join(served)
    unknown = "numeric format and rendered prompts are known only to the server"
    return [f"served: {names}; {unknown}"] if served else []


def _not_judged(plan: Plan) -> list[str]:
    """One line on the measures for which no judge is configured."""
    missing: dict[str, list[str]] = {}
    for name, measure in plan.unjudged:
        missing.setdefault(name, []).append(measure)
    parts = [f"{', '.join(measures)} ({name})" for name, measures in missing.items()]
    if not parts:
        return []
    if plan.loaded.profile.data.scores is not None:
        return [f"not measured, because only verdicts were recorded: {'; '.join(parts)}"]
    return [f"not measured without a judge: {'; '.join(parts)}; choose one with --lek-judge KIND"]
