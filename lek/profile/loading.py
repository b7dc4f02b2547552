"""TOML file -> Profile, checked: everything about an evaluation that is not on the command line.

Every fault becomes one ``BadInput`` line of the form ``FILE: KEY: what is wrong; what is right``.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from lek.benchmarks.benchmark import Benchmark, resolve
from lek.errors import BadInput, suggestion
from lek.profile.schema import (
    JUDGE_KINDS,
    NONE,
    SUBJECT_KINDS,
    DerivedSubject,
    JudgesConfig,
    Profile,
    RecordedSubject,
)

SHIPPED = "lek:"  # begins the path of a file or directory that ships


class LoadedProfile(BaseModel):
    """A profile with the file that it came from and the SHA-256 of that file's bytes.

    ``benchmarks`` are those that its ``data.benchmarks`` name, in that order.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    digest: str
    profile: Profile
    benchmarks: dict[str, Benchmark]

    def relative(self, path: str) -> Path:
        """``path`` as the profile means it: from its own place, or ``lek:`` of what ships."""
        if path.startswith(SHIPPED):
            return shipped() / path.removeprefix(SHIPPED)
        return Path(os.path.normpath(self.path.parent / path))


def shipped() -> Path:
    """The directory that holds what ships: evals, kernel, seeds, training, abliteration, sandbox.

    It is the package itself where that was installed from a wheel, else the repository.
    """
    package = Path(__file__).parents[1]
    return package if (package / "evals").is_dir() else package.parent


def find(name: str, profiles: Path) -> Path:
    """The file of profile ``name``: of the directory ``profiles``, one that ships, or a path."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise BadInput(f"--lek-profile {name}: no such file")
        return path
    known: dict[str, Path] = {}
    for place in (shipped() / "evals" / "profiles", profiles):
        known |= {file.stem: file for file in sorted(place.glob("*.toml"))}
    if name in known:
        return known[name]
    near = suggestion(name, known).removeprefix(", ")
    hint = near or f"there are {', '.join(known)}, and files by their path"
    raise BadInput(f"--lek-profile {name}: no such profile; {hint}")


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
    if not profile.data.benchmarks:
        raise BadInput(f"{path}: data.benchmarks: empty; name at least one")
    benchmarks = resolve(profile.data.benchmarks, path.parent, f"{path}: data.benchmarks")
    check(path, profile, benchmarks)
    digest = hashlib.sha256(raw).hexdigest()
    return LoadedProfile(
        name=path.stem, path=path, digest=digest, profile=profile, benchmarks=benchmarks
    )


def with_judge(loaded: LoadedProfile, kind: str, option: str) -> LoadedProfile:
    """The profile with the judge ``kind`` for every benchmark whose judge is not exact.

    Raises `BadInput`, which names ``option``, where there is no such kind or it does not suit.
    """
    kinds = [NONE, *(k for k in JUDGE_KINDS if k != "exact")]
    if kind not in kinds:
        hint = suggestion(kind, kinds)
        raise BadInput(f"{option}: no such judge{hint}; one of {', '.join(kinds)}")
    judges = loaded.profile.judges
    given = {name: getattr(judges, name) for name in JudgesConfig.model_fields} | {"default": kind}
    given |= {b: "exact" for b in loaded.benchmarks if judges.of(b) == "exact"}
    profile = loaded.profile.model_copy(update={"judges": JudgesConfig.model_validate(given)})
    check_judges(loaded.path, profile, loaded.benchmarks, option)
    return loaded.model_copy(update={"profile": profile})


def _lists_as_tuples(value: Any) -> Any:
    """TOML has lists where the strict models want tuples."""
    if isinstance(value, dict):
        return {k: _lists_as_tuples(v) for k, v in value.items()}
    return tuple(_lists_as_tuples(v) for v in value) if isinstance(value, list) else value


def _first_fault(error: ValidationError) -> str:
    # A misspelt key is also a missing one: the spelling is the fault to tell.
    faults = error.errors(include_url=False)
    fault, *others = sorted(faults, key=lambda f: f["type"] != "extra_forbidden")
    key, loc = "", fault["loc"]
    kind = None
    if loc[0] == "subjects" and len(loc) > 2 and loc[2] in SUBJECT_KINDS:  # the tag of the union
        kind, loc = SUBJECT_KINDS[str(loc[2])], (*loc[:2], *loc[3:])
    for part in loc:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if fault["type"] == "extra_forbidden":
        keys = _keys_of(loc[2:-1], kind) if kind else _keys_of(loc[:-1], Profile)
        hint = suggestion(str(loc[-1]), keys) or f"; known are {', '.join(keys)}"
        text = f"{key}: unknown key{hint}"
        for origin, other in SUBJECT_KINDS.items():
            if kind and len(loc) == 3 and other is not kind and loc[2] in _names(other):
                text = f"{key}: only a subject with '{origin}' has this"
    elif fault["type"] == "missing":
        text = f"{key}: missing; it must be given"
    else:
        wanted = fault["msg"].removeprefix("Value error, ")
        wanted = wanted[0].lower() + wanted[1:]
        hint = ""
        if fault["type"] == "literal_error":
            hint = suggestion(str(fault["input"]), fault["ctx"]["expected"].split("'")[1::2])
        # somebody may have put a key where its variable or an address belongs
        given = (
            ""
            if isinstance(fault["input"], dict) or loc[-1] in ("key", "base_url")
            else f" = {fault['input']!r}"
        )
        text = f"{key}{given}: {wanted}{hint}"
    return text + (f" (and {len(others)} more)" if others else "")


def _keys_of(loc: Sequence[int | str], table: type[BaseModel]) -> list[str]:
    """The keys that the table at ``loc``, from ``table`` on, may have."""
    for part in loc:
        if isinstance(part, str):
            table = _table(next(f for n, f in table.model_fields.items() if part in (n, f.alias)))
    return _names(table)


def _names(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _table(field: FieldInfo) -> type[BaseModel]:
    """The form of the table, or of the tables in a list, that ``field`` holds."""
    waiting = [field.annotation]
    while True:
        kind: Any = waiting.pop(0)
        if isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel):
            return kind
        waiting += getattr(kind, "__args__", ())


def check(path: Path, profile: Profile, benchmarks: Mapping[str, Benchmark]) -> None:
    """Raise `BadInput` for the first thing in the profile that does not fit with the rest."""
    names = profile.subject_names
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"{path}: subjects[{i}].name: '{name}' is taken; rename one of the two")
        _check_subject(f"{path}: subjects[{i}]", profile, i)
    kept = next((s.name for s in profile.models if s.dequantize is False), None)
    derived = (s.name for s in profile.models if s.dequantize or isinstance(s, DerivedSubject))
    full = next(derived, None)
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


def _check_subject(where: str, profile: Profile, i: int) -> None:
    """Raise `BadInput` where a subject does not fit with those above it."""
    subject, names = profile.subjects[i], profile.subject_names
    if isinstance(subject, RecordedSubject):
        for earlier in profile.subjects[:i]:
            if isinstance(earlier, RecordedSubject) and earlier.recorded == subject.recorded:
                taken = f"'{earlier.recorded}' is that of {earlier.name} already"
                raise BadInput(f"{where}.recorded: {taken}")
        if profile.data.source != "lem":
            raise BadInput(
                f"{where}.recorded: data.source = '{profile.data.source}' has no answers"
            )
    if isinstance(subject, DerivedSubject):
        if subject.origin not in names[:i]:
            near = suggestion(subject.origin, names[:i]) or f"; above it are {', '.join(names[:i])}"
            raise BadInput(f"{where}.from = '{subject.origin}': no such subject above it{near}")
        if subject.origin in profile.recorded:
            why = "has recorded answers, but no weights"
            raise BadInput(f"{where}.from = '{subject.origin}': {why}")
        if not subject.abliterate and not subject.lora:
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
        for subject in profile.models:
            raise BadInput(f"{where}: there are none on {subject.name}, which answers anew")
