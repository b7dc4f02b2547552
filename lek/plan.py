"""Profile and command line -> Plan: which subjects answer which cases, and who judges them.

Everything that can be wrong with the input is found here, before the first test: `BadInput`.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from time import perf_counter

from msgspec.structs import replace as replace_fields

from lek.backends.recorded import Recorded, read_answers
from lek.cases import read_cases, select
from lek.gates import Gate, parse_gates
from lek.judges.exact import exact
from lek.judges.recorded import RecordedJudge
from lek.lem import Scores, answers_file, cases_file, read_rows, read_scores, scores_file
from lek.profiles import LoadedProfile
from lek.records import BadInput, Case, Response, Verdict
from lek.scoring import unscored

Judge = Callable[[Case, Response], Verdict]


@dataclass(frozen=True)
class Plan:
    """What a run evaluates. Benchmarks and subjects stand in the order of the profile.

    ``cases`` holds what was selected by the limit; ``answers`` the backend of each (benchmark,
    subject) that the data have; ``notes`` one line for each thing left out.
    """

    loaded: LoadedProfile
    directory: Path
    limit: int | None
    cases: dict[str, list[Case]]
    answers: dict[tuple[str, str], Recorded]
    judges: dict[str, Judge]
    gates: list[Gate]
    digests: dict[str, str]
    notes: tuple[str, ...]

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

    def protocol(self) -> dict[str, dict[str, str]]:
        """Per benchmark the judge's kind, and the digest of its sources or of its file."""
        kinds = {b: self.loaded.profile.judges.of(b) for b in self.cases}
        return {b: {"judge": kind, "digest": self._judge_digest(kind)} for b, kind in kinds.items()}

    def _judge_digest(self, kind: str) -> str:
        if kind == "recorded":
            return self.digests[scores_file(self.directory).name]
        return _source_digest()


@cache
def _source_digest() -> str:
    """SHA-256 over the modules that make up the exact judge."""
    here = Path(__file__).parent
    modules = ("numerals.py", "questions.py", "sums.py", "judges/exact.py")
    return hashlib.sha256(b"".join((here / m).read_bytes() for m in modules)).hexdigest()


def make_plan(loaded: LoadedProfile, *, data: Path | None, limit: int | None) -> Plan:
    """Read and check all that the profile names; ``data`` overrides where its data lie."""
    gates = parse_gates(loaded)
    directory = _directory(loaded, data)
    profile = loaded.profile
    plan = Plan(loaded, directory, limit, {}, {}, {}, gates, {}, ())
    notes: list[str] = []
    known: dict[str, set[str]] = {}
    for benchmark in profile.data.benchmarks:
        if not cases_file(directory, benchmark).is_file():
            continue
        rows, cases = read_cases(directory, benchmark)
        plan.digests[rows.path.name] = rows.digest
        known[benchmark] = {c.id for c in cases}
        plan.cases[benchmark] = select(cases, limit=limit, seed=profile.data.shuffle_seed)
        for subject in profile.subjects:
            path = answers_file(directory, benchmark, subject.recorded)
            if path.is_file():
                answers = read_answers(
                    read_rows(path),
                    subject.name,
                    benchmark=benchmark,
                    model=subject.recorded,
                    known=known[benchmark],
                )
                plan.answers[benchmark, subject.name] = answers
                plan.digests[f"results/{path.name}"] = answers.rows.digest
                notes += answers.notes
    if not plan.answers:
        first = profile.data.benchmarks[0]
        raise BadInput(
            f"{directory}: nothing to evaluate; expected cases such as {first}.jsonl and answers "
            f"such as results/{first}_{profile.subjects[0].recorded}.jsonl"
        )
    _check_names(plan)
    notes += _make_judges(plan, known)
    return replace(plan, notes=(*_left_out(plan), *notes))


def _directory(loaded: LoadedProfile, data: Path | None) -> Path:
    if data is not None:
        directory, key = data, f"--lek-data {data}"
    elif loaded.profile.data.dir is not None:
        directory = Path(os.path.normpath(loaded.path.parent / loaded.profile.data.dir))
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


def _make_judges(plan: Plan, known: dict[str, set[str]]) -> list[str]:
    scores: Scores | None = None
    notes: list[str] = []
    for benchmark in plan.cases:
        if plan.loaded.profile.judges.of(benchmark) == "exact":
            plan.judges[benchmark] = exact
            continue
        if scores is None:
            scores = read_scores(scores_file(plan.directory))
            plan.digests[scores.path.name] = scores.digest
        present = plan.subjects(benchmark)
        models = {s.name: s.recorded for s in plan.loaded.profile.subjects if s.name in present}
        judge = RecordedJudge(scores, benchmark, models)
        plan.judges[benchmark] = judge
        notes += judge.notes(known[benchmark])
    return notes


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
