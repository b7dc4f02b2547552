"""Profile and command line -> Plan, with all that can be wrong with the input: `BadInput`.

It is found here, before the first test.
"""

from pathlib import Path

from lek.data.cases import read_cases, select
from lek.data.lem import cases_file
from lek.errors import BadInput
from lek.generation.responses import Sources
from lek.judges.judges import Judges
from lek.plan import Plan
from lek.profile.loading import LoadedProfile
from lek.stats.gates import parse_gates
from lek.workspace.workspace import Workshop


def make_plan(
    loaded: LoadedProfile, *, data: Path | None, limit: int | None, workshop: Workshop
) -> Plan:
    """Read and check all that the profile names; ``data`` overrides where its data lie."""
    gates = parse_gates(loaded)
    directory = _directory(loaded, data)
    profile = loaded.profile
    sources = Sources(loaded, directory, workshop)
    judges = Judges(loaded, directory, workshop, sources.release)
    shared = workshop.share > 1
    plan = Plan(loaded, directory, limit, sources, judges, shared, gates)
    sources.check()
    for name, benchmark in loaded.benchmarks.items():
        if not cases_file(directory, name).is_file():
            continue
        rows, cases = read_cases(directory, benchmark)
        plan.digests[rows.path.name] = rows.digest
        plan.cases[name] = select(cases, limit=limit, seed=profile.data.shuffle_seed)
        for subject in profile.subjects:
            answers = sources.of(subject, name, {c.id for c in cases})
            if answers is not None:
                plan.answers[name, subject.name] = answers
        plan.judges[name] = judges.of(benchmark, plan.subjects(name), cases, rows.path)
        plan.protocol[name] = judges.protocol(benchmark)
    if not plan.answers:
        raise BadInput(f"{directory}: nothing to evaluate; {_expected(loaded)}")
    _check_names(plan)
    plan.digests.update(sources.digests | judges.digests)
    plan.notes.extend([*_left_out(plan), *_not_judged(plan), *sources.notes, *judges.notes])
    return plan


def _expected(loaded: LoadedProfile) -> str:
    """What a directory must hold at the least."""
    first = next(iter(loaded.benchmarks))
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
    benchmarks = [b for b in plan.loaded.benchmarks if not plan.subjects(b)]
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


def _not_judged(plan: Plan) -> list[str]:
    """One line on the measures for which no judge is chosen."""
    missing = {
        name: [m.name for m in plan.loaded.benchmarks[name].measures if m not in judge.measures]
        for name, judge in plan.judges.items()
    }
    parts = [f"{', '.join(measures)} ({name})" for name, measures in missing.items() if measures]
    if not parts:
        return []
    return [f"no judge, so not measured: {'; '.join(parts)}; choose one with --lek-judge=KIND"]
