"""Profile and command line -> Plan: which subjects answer which cases, and who judges them.

Everything that can be wrong with the input is found here, before the first test: `BadInput`.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec.structs import replace as replace_fields

from lek.answers import Answers, Sources, Workshop
from lek.cases import read_cases, select
from lek.docket import Docket
from lek.gates import Gate, parse_gates
from lek.judging import Judge, Judges
from lek.lem import cases_file
from lek.profiles import LoadedProfile
from lek.progress import Progress
from lek.records import BadInput, Case, Response, Verdict
from lek.scoring import unscored


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
    progress: Progress
    gates: list[Gate]
    cases: dict[str, list[Case]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)
    judges: dict[str, Judge] = field(default_factory=dict)
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
        if benchmark not in self.loaded.profile.data.benchmarks:
            return f"profile {self.loaded.name} has no {benchmark}"
        if benchmark not in self.cases:
            return f"no {cases_file(self.directory, benchmark).name} in {self.directory}"
        if not self.subjects(benchmark):
            return f"no recorded answers to {benchmark} in {self.directory / 'results'}"
        return None

    def judge(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``; without a text there is nothing to judge: unscored."""
        if response.text is None:
            kind = self.loaded.profile.judges.of(case.benchmark)
            return unscored(case, response, response.reason or "no response", judge=kind)
        start = perf_counter()
        verdict = self.judges[case.benchmark](case, response)
        return replace_fields(verdict, seconds=round(perf_counter() - start, 6))

    def select(self, subject: str, case: Case | None) -> None:
        """Take note of a case that the session has selected for ``subject``."""
        if case is not None:
            self.asked[case.benchmark, subject].append(case)

    def prepare(self, benchmark: str, subject: str) -> None:
        """Have ``subject`` answer the selected cases of ``benchmark``, if it has not yet.

        Where the judge is a model, all other benchmarks as well, so that it is heard meanwhile.
        What goes wrong is kept, and raised where the first answer is asked for.
        """
        if (benchmark, subject) in self.prepared or (benchmark, subject) not in self.answers:
            return
        waited_for = isinstance(self.judges[benchmark], Docket)
        for name in [benchmark, *(self.cases if waited_for else ())]:
            key = name, subject
            if key not in self.prepared and self.asked.get(key):
                self.prepared.add(key)
                judge = self.judges[name]
                heard = judge.queue if isinstance(judge, Docket) else None
                self.answers[key].prepare(self.asked[key], heard)

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


def make_plan(
    loaded: LoadedProfile, *, data: Path | None, limit: int | None, workshop: Workshop
) -> Plan:
    """Read and check all that the profile names; ``data`` overrides where its data lie."""
    gates = parse_gates(loaded)
    directory = _directory(loaded, data)
    profile = loaded.profile
    sources = Sources(loaded, directory, workshop)
    judges = Judges(loaded, directory, workshop, sources.release)
    plan = Plan(loaded, directory, limit, sources, judges, workshop.progress, gates)
    sources.check()
    known: dict[str, set[str]] = {}
    for benchmark in profile.data.benchmarks:
        if not cases_file(directory, benchmark).is_file():
            continue
        rows, cases = read_cases(directory, benchmark)
        plan.digests[rows.path.name] = rows.digest
        known[benchmark] = {c.id for c in cases}
        plan.cases[benchmark] = select(cases, limit=limit, seed=profile.data.shuffle_seed)
        for subject in profile.subjects:
            answers = sources.of(subject, benchmark, known[benchmark])
            if answers is not None:
                plan.answers[benchmark, subject.name] = answers
    if not plan.answers:
        raise BadInput(f"{directory}: nothing to evaluate; {_expected(loaded)}")
    _check_names(plan)
    for name in plan.cases:
        plan.judges[name] = judges.of(name, plan.subjects(name), known[name])
        plan.protocol[name] = judges.protocol(name)
    plan.digests.update(sources.digests | judges.digests)
    plan.notes.extend([*_left_out(plan), *sources.notes, *judges.notes])
    return plan


def _expected(loaded: LoadedProfile) -> str:
    """What a directory must hold at the least."""
    first = loaded.profile.data.benchmarks[0]
    text = f"expected cases such as {first}.jsonl"
    recorded = loaded.profile.subjects[0].recorded
    return text + (f" and answers such as results/{first}_{recorded}.jsonl" if recorded else "")


def _directory(loaded: LoadedProfile, data: Path | None) -> Path:
    if data is not None:
        directory, key = data, f"--lek-data {data}"
    elif loaded.profile.data.dir is not None:
        directory = loaded.relative(loaded.profile.data.dir)
        key = f"{loaded.path}: data.dir = '{loaded.profile.data.dir}'"
    else:
        raise BadInput(f"{loaded.path}: data.dir: missing; add it or give --lek-data DIR")
    if not directory.is_dir():
        raise BadInput(f"{key}: {'not a' if directory.exists() else 'no such'} directory")
    return directory


def _check_names(plan: Plan) -> None:
    """Two tests of a benchmark must not read the same: subject and case are told by the name."""
    for benchmark, cases in plan.cases.items():
        seen: dict[str, str] = {}
        for subject in plan.subjects(benchmark):
            for case in cases:
                name = f"{subject}-{case.id}"
                if seen.setdefault(name, subject) != subject:
                    both = f"{cases_file(plan.directory, benchmark)}: {subject} and {seen[name]}"
                    raise BadInput(f"{both} both make a test [{name}]; rename a case or a subject")


def _left_out(plan: Plan) -> list[str]:
    profile = plan.loaded.profile
    benchmarks = [b for b in profile.data.benchmarks if plan.absent(b)]
    present = {s for _, s in plan.answers}
    subjects = [s for s in profile.subject_names if s not in present]
    partly = []
    for subject in (s for s in profile.subject_names if s in present):
        missing = [
            b for b in plan.cases if b not in benchmarks and (b, subject) not in plan.answers
        ]
        partly += [f"{subject} on {', '.join(missing)}"] if missing else []
    parts = [f"subjects {', '.join(subjects)}"] if subjects else []
    parts += [f"benchmarks {', '.join(benchmarks)}"] if benchmarks else []
    parts += partly
    return [f"not in the data, left out: {'; '.join(parts)}"] if parts else []
