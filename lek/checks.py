"""What the keys of a profile must be to each other, beyond the type of each: `BadInput` if not."""

from collections.abc import Mapping
from pathlib import Path

from lek.benchmarks.benchmark import Benchmark
from lek.errors import BadInput, suggestion
from lek.profile import Profile
from lek.settings import JUDGE_KINDS, NONE


def check(path: Path, profile: Profile, benchmarks: Mapping[str, Benchmark]) -> None:
    """Raise `BadInput` for the first thing in the profile that does not fit with the rest."""
    names = profile.subject_names
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"{path}: subjects[{i}].name: '{name}' is taken; rename one of the two")
        _check_recipe(f"{path}: subjects[{i}]", profile, i)
    kept = next((s.name for s in profile.subjects if s.dequantize is False), None)
    full = next((s.name for s in profile.subjects if s.dequantize or s.origin), None)
    if kept is not None and full is not None:
        raise BadInput(
            f"{path}: subject {kept}: dequantize = false, but {full} is in full precision, and "
            "compared subjects have one form; delete the key"
        )
    if profile.baseline not in names:
        hint = suggestion(profile.baseline, names) or f"; subjects are {', '.join(names)}"
        raise BadInput(f"{path}: baseline = '{profile.baseline}': no such subject{hint}")
    for key, kind in profile.judges.lines.items():
        if key not in benchmarks:
            known = [*type(profile.judges).model_fields, *benchmarks]
            hint = suggestion(key, known) or f"; known are {', '.join(known)}"
            raise BadInput(f"{path}: judges.{key}: unknown key{hint}")
        if not isinstance(kind, str):
            raise BadInput(f"{path}: judges.{key} = {kind!r}: expected the name of a judge")
    check_judges(path, profile, benchmarks)


def check_judges(
    path: Path, profile: Profile, benchmarks: Mapping[str, Benchmark], option: str | None = None
) -> None:
    """Raise `BadInput` where a judge does not suit its benchmark; ``option`` named the judges."""
    for benchmark in benchmarks.values():
        kind = profile.judges.of(benchmark.name)
        key = benchmark.name if benchmark.name in profile.judges.lines else "default"
        where = f"{path}: judges.{key} = '{kind}'"
        _check_judge(option if option and kind != "exact" else where, path, profile, benchmark)


def _check_recipe(where: str, profile: Profile, i: int) -> None:
    """A subject says in one way where it comes from, and only a made one says how."""
    subject, names = profile.subjects[i], profile.subject_names
    given = {"recorded": subject.recorded, "model": subject.model, "from": subject.origin}
    keys = [key for key, value in given.items() if value is not None]
    if len(keys) != 1:
        have = " and ".join(keys) or "none of them"
        raise BadInput(f"{where}: has {have}; give one of recorded, model, from")
    for j, earlier in enumerate(profile.subjects[:i]):
        if earlier.recorded is not None and earlier.recorded == subject.recorded:
            raise BadInput(f"{where}.recorded: '{earlier.recorded}' is that of {names[j]} already")
    if subject.recorded is not None and profile.data.source != "lem":
        raise BadInput(f"{where}.recorded: data.source = '{profile.data.source}' has no answers")
    steps = [k for k in ("abliterate", "lora") if getattr(subject, k)]
    if subject.revision is not None and subject.model is None:
        raise BadInput(f"{where}.revision: only a subject with a model has this")
    if subject.origin is None:
        if steps:
            raise BadInput(f"{where}.{steps[0]}: only a subject made from another one has this")
        return
    if subject.origin not in names[:i]:
        near = suggestion(subject.origin, names[:i]) or f"; above it are {', '.join(names[:i])}"
        raise BadInput(f"{where}.from = '{subject.origin}': no such subject above it{near}")
    if profile.subjects[names.index(subject.origin)].recorded is not None:
        raise BadInput(f"{where}.from = '{subject.origin}': has recorded answers, but no weights")
    if not steps:
        raise BadInput(f"{where}: the same as {subject.origin}; give abliterate or lora")


def check_settings(where: str, path: Path, profile: Profile, kind: str) -> None:
    """Raise `BadInput` where the judge ``kind`` is a model and has no settings."""
    if JUDGE_KINDS[kind].is_llm and profile.judges.settings(kind) is None:
        also = "base_url and " if kind == "openai" else ""
        raise BadInput(f"{where}: {path} has no table [judges.{kind}]; add one with {also}model")


def _check_judge(where: str, path: Path, profile: Profile, benchmark: Benchmark) -> None:
    name = profile.judges.of(benchmark.name)
    if name == NONE:
        return
    kinds = [NONE, *JUDGE_KINDS]
    if name not in JUDGE_KINDS:
        hint = suggestion(name, kinds) or f"; one of {', '.join(kinds)}"
        raise BadInput(f"{where}: no such judge{hint}")
    check_settings(where, path, profile, name)
    if not JUDGE_KINDS[name].suits(benchmark):
        suitable = [k.name for k in JUDGE_KINDS.values() if k.suits(benchmark)]
        if profile.data.source != "lem":
            suitable.remove("recorded")
        raise BadInput(
            f"{where}: cannot judge {benchmark.name}; use one of {', '.join(suitable)}, or '{NONE}'"
        )
    if name == "recorded":
        if profile.data.source != "lem":
            raise BadInput(f"{where}: data.source = '{profile.data.source}' has no verdicts")
        for subject in profile.subjects:
            if subject.recorded is None:
                raise BadInput(f"{where}: there are none on {subject.name}, which answers anew")
