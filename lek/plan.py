"""Which subjects answer which cases, and who judges them: the selected are asked ahead of need."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec.structs import replace as replace_fields

from lek.benchmarks.benchmark import Measure
from lek.data.lem import cases_file
from lek.generation.responses import Answers, Sources
from lek.judges.judges import BenchmarkJudge, Judges
from lek.profile.loading import LoadedProfile
from lek.records import Case, Response, Verdict, check_verdict
from lek.stats.gates import Gate


@dataclass(frozen=True)
class Plan:
    """What a run evaluates. Benchmarks and subjects stand in the order of the profile.

    ``cases`` holds what was selected by the limit; ``answers`` who answers each (benchmark,
    subject) that can be asked; ``asked`` the cases of these that the session has selected, once
    it is known; ``notes`` one line for each thing left out.
    """

    loaded: LoadedProfile
    directory: Path
    limit: int | None
    sources: Sources
    panel: Judges
    shared: bool
    gates: list[Gate]
    cases: dict[str, list[Case]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)
    judges: dict[str, BenchmarkJudge] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    protocol: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    asked: dict[tuple[str, str], list[Case]] = field(default_factory=lambda: defaultdict(list))
    prepared: set[tuple[str, str]] = field(default_factory=set)

    def subjects(self, benchmark: str) -> list[str]:
        """The subjects that have answers to ``benchmark``."""
        return [s for s in self.loaded.profile.subject_names if (benchmark, s) in self.answers]

    def absent(self, benchmark: str) -> str | None:
        """Why ``benchmark`` cannot be asked, or ``None`` when it can."""
        if benchmark not in self.loaded.benchmarks:
            return f"profile {self.loaded.name} has no {benchmark}"
        if benchmark not in self.cases:
            return f"no {cases_file(self.directory, benchmark).name} in {self.directory}"
        if not self.judges[benchmark].measures:
            return f"each measure of {benchmark} needs a judge; choose one with --lek-judge"
        if not self.subjects(benchmark):
            return f"no recorded answers to {benchmark} in {self.directory / 'results'}"
        return None

    def judge(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``, by the judges of the benchmark."""
        start = perf_counter()
        verdict = self.judges[case.benchmark](case, response)
        return replace_fields(verdict, seconds=round(perf_counter() - start, 6))

    def measures(self, benchmark: str) -> tuple[Measure, ...]:
        """The measures of ``benchmark`` that somebody scores; none where it has no cases."""
        judge = self.judges.get(benchmark)
        return judge.measures if judge else ()

    @property
    def unjudged(self) -> set[tuple[str, str]]:
        """Each (benchmark, measure) that needs a judge where none is chosen."""
        return {
            (name, measure.name)
            for name, judge in self.judges.items()
            for measure in self.loaded.benchmarks[name].measures
            if measure not in judge.measures
        }

    def check(self, verdict: Verdict) -> None:
        """Raise `ValueError` unless ``verdict`` scores what is measured of its case."""
        check_verdict(verdict, self.measures(verdict.case.benchmark))

    def select(self, subject: str, case: Case | None) -> None:
        """Take note of a case that the session has selected for ``subject``."""
        if case is not None:
            self.asked[case.benchmark, subject].append(case)

    def prepare(self, benchmark: str, subject: str) -> None:
        """Have ``subject`` answer the selected cases of ``benchmark``, if it has not yet.

        Where the judge is a model, it is heard meanwhile: so that it has enough to do, the other
        benchmarks follow, and the next subject (all others, if the judge is asked in batches).
        What goes wrong is kept, and raised where the first answer is asked for.
        """
        if (benchmark, subject) in self.prepared or (benchmark, subject) not in self.answers:
            return
        self._answer(benchmark, subject)
        judge = self.judges[benchmark]
        if not judge.deferred:
            return
        names = [subject]
        if not self.shared:  # else the other subjects are for other processes
            following = self.loaded.profile.subject_names
            following = following[following.index(subject) + 1 :]
            left = [s for s in following if any((b, s) in self.asked for b in self.cases)]
            names += left if judge.batched else left[:1]
        for name in names:
            for other in self.cases:
                self._answer(other, name)

    def _answer(self, benchmark: str, subject: str) -> None:
        key = benchmark, subject
        if key not in self.prepared and self.asked.get(key):
            self.prepared.add(key)
            judge = self.judges[benchmark]
            heard = partial(self._queue, judge) if judge.deferred else None
            self.answers[key].prepare(self.asked[key], heard)

    def _queue(self, judge: BenchmarkJudge, case: Case, response: Response) -> None:
        judge.queue(case, response)
        self.panel.notices.show()

    def locate(self, parameters: str) -> list[tuple[str, str, str]]:
        """The (benchmark, subject, case id) that a test's parameters ``subject-case`` can mean."""
        return [
            (benchmark, subject, parameters.removeprefix(f"{subject}-"))
            for benchmark, subject in self.answers
            if parameters.startswith(f"{subject}-")
            and parameters.removeprefix(f"{subject}-") in self._ids[benchmark]
        ]

    @cached_property
    def _ids(self) -> dict[str, frozenset[str]]:
        return {b: frozenset(c.id for c in cases) for b, cases in self.cases.items()}
