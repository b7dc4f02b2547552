"""What the keys of a profile must be to each other, beyond the type of each: `BadInput` if not."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from lek.measures import BENCHMARKS
from lek.profile import Profile
from lek.records import BadInput


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest of ``right``, or nothing."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""


def check(path: Path, profile: Profile) -> None:
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
    for i, benchmark in enumerate(profile.data.benchmarks):
        if benchmark in profile.data.benchmarks[:i]:
            raise BadInput(f"{path}: data.benchmarks[{i}]: '{benchmark}' is named twice")
    if not profile.data.benchmarks:
        raise BadInput(f"{path}: data.benchmarks: empty; name at least one of {list(BENCHMARKS)}")
    check_judges(path, profile)


def check_judges(path: Path, profile: Profile, option: str | None = None) -> None:
    """Raise `BadInput` where a judge does not suit its benchmark; ``option`` named the judges."""
    for benchmark in profile.data.benchmarks:
        kind = profile.judges.of(benchmark)
        key = benchmark if getattr(profile.judges, benchmark) else "default"
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


def check_table(where: str, path: Path, profile: Profile, kind: str) -> None:
    """Raise `BadInput` where the judge ``kind`` is a model and has no settings."""
    if kind in ("gemini", "openai", "mlx") and profile.judges.settings(kind) is None:
        also = "base_url and " if kind == "openai" else ""
        raise BadInput(f"{where}: {path} has no table [judges.{kind}]; add one with {also}model")


def _check_judge(where: str, path: Path, profile: Profile, benchmark: str) -> None:
    kind = profile.judges.of(benchmark)
    check_table(where, path, profile, kind)
    others = "'recorded' or 'lexical'" if profile.data.source == "lem" else "'lexical'"
    if kind == "exact" and benchmark != "gsm8k":
        raise BadInput(
            f"{where}: reads numbers, so it can judge gsm8k alone, "
            f"not {benchmark}; use {others} here"
        )
    if kind == "lexical" and benchmark == "gsm8k":
        raise BadInput(f"{where}: reads words, not numbers; give judges.gsm8k = 'exact'")
    if kind == "recorded":
        if profile.data.source != "lem":
            raise BadInput(f"{where}: data.source = '{profile.data.source}' has no verdicts")
        for subject in profile.subjects:
            if subject.recorded is None:
                raise BadInput(f"{where}: there are none on {subject.name}, which answers anew")
