"""TOML file -> Profile, checked: everything about an evaluation that is not on the command line.

Every fault becomes one ``BadInput`` line of the form ``FILE: KEY: what is wrong; what is right``.
"""

import difflib
import hashlib
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lek import profile as tables
from lek.profile import Profile
from lek.records import BENCHMARKS, BadInput


class LoadedProfile(BaseModel):
    """A profile with the file that it came from and the SHA-256 of that file's bytes."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    digest: str
    profile: Profile

    def relative(self, path: str) -> Path:
        """``path`` as the profile means it: from the profile's own place."""
        return Path(os.path.normpath(self.path.parent / path))


def find(name: str, profiles: Path) -> Path:
    """The file of profile ``name``: a built-in one of the directory ``profiles``, or a path."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise BadInput(f"--lek-profile {name}: no such file")
        return path
    known = sorted(p.stem for p in profiles.glob("*.toml"))
    if name in known:
        return profiles / f"{name}.toml"
    have = f"{profiles} has {', '.join(known)}" if known else f"{profiles} has no profile"
    raise BadInput(f"--lek-profile {name}: no such profile{suggestion(name, known)}; {have}")


def load(path: Path) -> LoadedProfile:
    """Read and check the profile at ``path``; raises `BadInput` with the first fault found."""
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode())
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise BadInput(f"{path}: not UTF-8 (byte {e.start}); save it as UTF-8") from e
    except tomllib.TOMLDecodeError as e:
        raise BadInput(f"{path}: not TOML: {e}") from e
    try:
        profile = Profile.model_validate(_lists_as_tuples(table))
    except ValidationError as e:
        raise BadInput(f"{path}: {_first_fault(e)}") from e
    _check_names(path, profile)
    digest = hashlib.sha256(raw).hexdigest()
    return LoadedProfile(name=path.stem, path=path, digest=digest, profile=profile)


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest of ``right``, or nothing."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""


def _lists_as_tuples(value: Any) -> Any:
    """TOML has lists where the strict models want tuples."""
    if isinstance(value, dict):
        return {k: _lists_as_tuples(v) for k, v in value.items()}
    return tuple(_lists_as_tuples(v) for v in value) if isinstance(value, list) else value


def _first_fault(error: ValidationError) -> str:
    # A misspelt key is also a missing one: the spelling is the fault to tell.
    faults = error.errors(include_url=False)
    fault, *others = sorted(faults, key=lambda f: f["type"] != "extra_forbidden")
    key = ""
    for part in fault["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if fault["type"] == "extra_forbidden":
        keys = _keys_of(fault["loc"][:-1])
        hint = suggestion(str(fault["loc"][-1]), keys) or f"; known are {', '.join(keys)}"
        text = f"{key}: unknown key{hint}"
    elif fault["type"] == "missing":
        text = f"{key}: missing; it must be given"
    else:
        wanted = fault["msg"][0].lower() + fault["msg"][1:]
        hint = ""
        if fault["type"] == "literal_error":
            hint = suggestion(str(fault["input"]), fault["ctx"]["expected"].split("'")[1::2])
        text = f"{key} = {fault['input']!r}: {wanted}{hint}"
    return text + (f" (and {len(others)} more)" if others else "")


def _keys_of(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at ``loc`` may have."""
    table: type[BaseModel] = Profile
    for part in loc:
        if isinstance(part, str):
            table = _TABLES[part]
    return [field.alias or name for name, field in table.model_fields.items()]


_TABLES: dict[str, type[BaseModel]] = {
    "data": tables.Data,
    "subjects": tables.Subject,
    "abliterate": tables.Abliterate,
    "lora": tables.Stage,
    "decoding": tables.Decoding,
    "judges": tables.Judges,
    "gates": tables.Gates,
}


def _check_names(path: Path, profile: Profile) -> None:
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
    for benchmark in profile.data.benchmarks:
        _check_judge(path, profile, benchmark)


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


def _check_judge(path: Path, profile: Profile, benchmark: str) -> None:
    kind = profile.judges.of(benchmark)
    key = benchmark if getattr(profile.judges, benchmark) else "default"
    where = f"{path}: judges.{key} = '{kind}'"
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
