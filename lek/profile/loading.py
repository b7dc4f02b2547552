"""Finding, reading and validating profiles.

An invalid profile raises `BadInput` with one line: ``FILE: KEY: what is wrong; what to do``.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from lek.benchmarks.benchmark import SHIPPED, Benchmark, check_cases, resolve
from lek.errors import BadInput, suggestion
from lek.profile.schema import (
    JUDGE_KINDS,
    NONE,
    SUBJECT_KINDS,
    AskedSubject,
    CasesConfig,
    Data,
    DerivedSubject,
    JudgesConfig,
    ModelSubject,
    Profile,
    RecordedSubject,
    SubjectConfig,
)
from lek.text.encoding import decode

ANY = "*"  # in the path of a key, for the name of a benchmark


class LoadedProfile(BaseModel):
    """A profile with its file.

    ``digest``: SHA-256 of the file. ``benchmarks``: those of ``data.benchmarks``, in that order.
    ``notes``: on what options changed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    digest: str
    profile: Profile
    benchmarks: dict[str, Benchmark]
    notes: tuple[str, ...] = ()

    def relative(self, path: str) -> Path:
        """``path`` relative to the profile, or to the shipped files if it begins with ``lek:``."""
        if path.startswith(SHIPPED):
            return shipped() / path.removeprefix(SHIPPED)
        return Path(os.path.normpath(self.path.parent / path))


def shipped() -> Path:
    """The directory of shipped files: evals, kernel, seeds, training, abliteration and sandbox.

    It is the package directory if the package was installed from a wheel, else the repository.
    """
    package = Path(__file__).parents[1]
    return package if (package / "evals").is_dir() else package.parent


def find(name: str, profiles: Path) -> Path:
    """The file of profile ``name``: in the directory ``profiles``, a shipped one, or a path.

    Raises `BadInput` if there is no such file.
    """
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise BadInput(f"--lek-profile {name}: no such file")
        return path
    known: dict[str, Path] = {}
    for directory in (shipped() / "evals" / "profiles", profiles):
        known |= {file.stem: file for file in sorted(directory.glob("*.toml"))}
    if name in known:
        return known[name]
    hint = suggestion(name, known).removeprefix(", ")
    hint = hint or f"expected one of {', '.join(known)}, or the path of a file"
    raise BadInput(f"--lek-profile {name}: no such profile; {hint}")


def load(path: Path) -> LoadedProfile:
    """Read and validate the profile at ``path``; raises `BadInput` for the first error."""
    try:
        raw = path.read_bytes()
        table = tomllib.loads(decode(raw).replace("\r\n", "\n"))
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from e
    except tomllib.TOMLDecodeError as e:
        raise BadInput(f"{path}: not TOML: {e}") from e
    except ValueError as e:
        raise BadInput(f"{path}: {e}") from e
    try:
        profile = Profile.model_validate(_lists_as_tuples(table))
    except ValidationError as e:
        raise BadInput(f"{path}: {_first_error(e)}") from e
    if not profile.data.benchmarks:
        raise BadInput(f"{path}: data.benchmarks: empty; name at least one")
    benchmarks = resolve(profile.data.benchmarks, path.parent, f"{path}: data.benchmarks")
    check(path, profile, benchmarks)
    digest = hashlib.sha256(raw).hexdigest()
    return LoadedProfile(
        name=path.stem, path=path, digest=digest, profile=profile, benchmarks=benchmarks
    )


def with_judge(loaded: LoadedProfile, kind: str, option: str) -> LoadedProfile:
    """A copy of the profile with the judge ``kind`` for all benchmarks not judged exactly.

    Raises `BadInput` that names ``option`` if the kind is unknown or not suitable.
    """
    kinds = [NONE, *(k for k in JUDGE_KINDS if k != "exact")]
    if kind not in kinds:
        hint = suggestion(kind, kinds) or f"; one of {', '.join(kinds)}"
        raise BadInput(f"{option}: no such judge{hint}")
    judges = loaded.profile.judges
    table = {name: getattr(judges, name) for name in JudgesConfig.model_fields} | {"default": kind}
    table |= {b: "exact" for b in loaded.benchmarks if judges.of(b) == "exact"}
    profile = loaded.profile.model_copy(update={"judges": JudgesConfig.model_validate(table)})
    check_judges(loaded.path, profile, loaded.benchmarks, option)
    return loaded.model_copy(update={"profile": profile})


def with_model(loaded: LoadedProfile, replacement: str, here: Path, option: str) -> LoadedProfile:
    """A copy of the profile with another model as a subject: ``replacement`` is ``SUBJECT=MODEL``.

    The model is a path relative to ``here``, or a name on the hub; subjects that are made from the
    subject are made from it. Raises `BadInput` that names ``option``.
    """
    name, given, model = replacement.partition("=")
    profile = loaded.profile
    if not given or not model:
        raise BadInput(f"{option}: expected SUBJECT=PATH")
    if name not in profile.subject_names:
        names = profile.subject_names
        hint = suggestion(name, names) or f"; subjects are {', '.join(names)}"
        raise BadInput(f"{option}: no subject '{name}'{hint}")
    path = here / os.path.expanduser(model)  # noqa: PTH111 (Path's raises for an unknown user)
    if path.exists():
        model = str(path.absolute())
    elif model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise BadInput(f"{option}: no such directory or file, and no owner/name of the hub")
    subjects = tuple(
        _replaced(subject, model) if subject.name == name else subject
        for subject in profile.subjects
    )
    changed = profile.model_copy(update={"subjects": subjects})
    check(loaded.path, changed, loaded.benchmarks)
    note = f"--lek-model {name}={Path(model).name}: in the place of the profile's {name}"
    return loaded.model_copy(update={"profile": changed, "notes": (*loaded.notes, note)})


def _replaced(subject: SubjectConfig, model: str) -> ModelSubject:
    """The subject with the name and the settings of ``subject`` that is ``model``."""
    if isinstance(subject, RecordedSubject):
        return ModelSubject(name=subject.name, model=model)
    kept = ("name", "prompt", "system", "kernel", "dequantize")
    settings = {key: getattr(subject, key) for key in kept if hasattr(subject, key)}
    return ModelSubject(model=model, **settings)


def _lists_as_tuples(value: Any) -> Any:
    """``value`` with all lists converted to tuples, which the strict models require."""
    if isinstance(value, dict):
        return {k: _lists_as_tuples(v) for k, v in value.items()}
    return tuple(_lists_as_tuples(v) for v in value) if isinstance(value, list) else value


def _first_error(error: ValidationError) -> str:
    """The first of pydantic's errors as one line: KEY, what is wrong, what to do."""
    # A misspelt key causes two errors, unknown and missing. Report the unknown key.
    errors = error.errors(include_url=False)
    first, *others = sorted(errors, key=lambda e: e["type"] != "extra_forbidden")
    key, loc = "", first["loc"]
    kind = None
    if loc[0] == "subjects" and len(loc) > 2 and loc[2] in SUBJECT_KINDS:  # a tag of the union
        kind, loc = SUBJECT_KINDS[str(loc[2])], (*loc[:2], *loc[3:])
    for part in loc:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if first["type"] == "extra_forbidden":
        keys = _keys_of(loc[2:-1], kind) if kind else _keys_of(_without_benchmark(loc), Profile)
        hint = suggestion(str(loc[-1]), keys) or f"; expected one of {', '.join(keys)}"
        text = f"{key}: unknown key{hint}"
        if kind and len(loc) == 3:
            having = [f"'{k}'" for k, other in SUBJECT_KINDS.items() if loc[2] in _names(other)]
            text = (
                f"{key}: only allowed in a subject with {' or '.join(having)}" if having else text
            )
    elif loc[0] == "data" and len(loc) == 2 and loc[1] not in Data.model_fields:
        keys = _names(Data)  # neither one of them nor the table of a benchmark
        hint = suggestion(str(loc[1]), keys) or f"; expected one of {', '.join(keys)}"
        text = f"{key}: unknown key{hint}, or a table for a benchmark"
    elif first["type"] == "missing":
        text = f"{key}: missing; add it"
    else:
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        hint = ""
        if first["type"] == "literal_error":
            hint = suggestion(str(first["input"]), first["ctx"]["expected"].split("'")[1::2])
        # Do not show these values: they may contain an API key by mistake.
        secret = loc[-1] in ("key", "base_url")
        value = "" if secret or isinstance(first["input"], dict) else f" = {first['input']!r}"
        text = f"{key}{value}: {message}{hint}"
    return text + (f" (and {len(others)} more)" if others else "")


def _without_benchmark(loc: Sequence[int | str]) -> Sequence[int | str]:
    """The path to a table; one for the data of a benchmark has the place of ``data.any``."""
    table = loc[:-1]
    return ("data", ANY, *table[2:]) if len(table) > 1 and table[0] == "data" else table


def _keys_of(loc: Sequence[int | str], table: type[BaseModel]) -> list[str]:
    """The allowed keys of the table at the path ``loc`` below ``table``."""
    for part in loc:
        if part == ANY:
            table = CasesConfig
        elif isinstance(part, str):
            table = _table(next(f for n, f in table.model_fields.items() if part in (n, f.alias)))
    return _names(table)


def _names(table: type[BaseModel]) -> list[str]:
    """The keys of ``table`` as written in TOML."""
    return [field.alias or name for name, field in table.model_fields.items()]


def _table(field: FieldInfo) -> type[BaseModel]:
    """The model of the table, or of the list of tables, in ``field``."""
    annotations = [field.annotation]
    while True:
        kind: Any = annotations.pop(0)
        if isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel):
            return kind
        annotations += getattr(kind, "__args__", ())


def check(path: Path, profile: Profile, benchmarks: Mapping[str, Benchmark]) -> None:
    """Raise `BadInput` for the first inconsistency between parts of the profile."""
    names = profile.subject_names
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(
                f"{path}: subjects[{i}].name: '{name}' is already used; rename one of the two"
            )
        _check_subject(f"{path}: subjects[{i}]", profile, i)
    quantized = next((s.name for s in profile.models if s.dequantize is False), None)
    derived = (s.name for s in profile.models if s.dequantize or s.is_edited)
    full = next(derived, None)
    if quantized is not None and full is not None:
        raise BadInput(
            f"{path}: subject {quantized}: dequantize = false, but {full} is in full precision, "
            "and all subjects must have the same precision; delete the key"
        )
    if profile.baseline not in names:
        hint = suggestion(profile.baseline, names) or f"; subjects are {', '.join(names)}"
        raise BadInput(f"{path}: baseline = '{profile.baseline}': no such subject{hint}")
    for key, cases in profile.data.cases.items():
        if key not in benchmarks:
            hint = suggestion(key, benchmarks) or f"; expected one of {', '.join(benchmarks)}"
            raise BadInput(f"{path}: data.{key}: no such benchmark in data.benchmarks{hint}")
        problem = check_cases(f"{path}: data.{key}", cases.path, cases.dataset, cases.split)
        if problem is not None:
            raise BadInput(problem)
        known = ["id", "prompt", *(f.name for f in benchmarks[key].fields)]
        for field in cases.columns:
            if field not in known:
                hint = suggestion(field, known) or f"; {key} has {', '.join(known)}"
                raise BadInput(f"{path}: data.{key}.columns.{field}: no such field{hint}")
    if profile.data.scores is not None and profile.data.source != "lem":
        raise BadInput(f"{path}: data.scores: recorded verdicts need data.source = 'lem'")
    for i, name in enumerate(profile.judges.required):
        if name not in benchmarks:
            hint = suggestion(name, benchmarks) or f"; there are {', '.join(benchmarks)}"
            raise BadInput(f"{path}: judges.required[{i}] = '{name}': no such benchmark{hint}")
    for key, kind in profile.judges.lines.items():
        if key not in benchmarks:
            known = [*type(profile.judges).model_fields, *benchmarks]
            hint = suggestion(key, known) or f"; expected one of {', '.join(known)}"
            raise BadInput(f"{path}: judges.{key}: unknown key{hint}")
        if not isinstance(kind, str):
            raise BadInput(f"{path}: judges.{key} = {kind!r}: expected the name of a judge")
    check_judges(path, profile, benchmarks)


def check_judges(
    path: Path, profile: Profile, benchmarks: Mapping[str, Benchmark], option: str | None = None
) -> None:
    """Raise `BadInput` if a judge is not suitable for its benchmark.

    ``option``: the command-line option that replaced the judges, for the error message.
    """
    for benchmark in benchmarks.values():
        kind = profile.judges.of(benchmark.name)
        key = benchmark.name if benchmark.name in profile.judges.lines else "default"
        where = f"{path}: judges.{key} = '{kind}'"
        _check_judge(option if option and kind != "exact" else where, path, profile, benchmark)


def _check_subject(where: str, profile: Profile, i: int) -> None:
    """Raise `BadInput` if subject ``i`` is not consistent with the subjects above it."""
    subject, names = profile.subjects[i], profile.subject_names
    if isinstance(subject, AskedSubject) and subject.prompt == "plain":
        for key, given in (("system", subject.system is not None), ("kernel", subject.kernel)):
            if given:
                raise BadInput(f'{where}.{key}: needs prompt = "chat"; delete one of the two')
    if isinstance(subject, RecordedSubject):
        for earlier in profile.subjects[:i]:
            if isinstance(earlier, RecordedSubject) and earlier.recorded == subject.recorded:
                raise BadInput(
                    f"{where}.recorded: '{earlier.recorded}' is already used by {earlier.name}; "
                    "delete one of the two"
                )
        if profile.data.source != "lem":
            raise BadInput(f"{where}.recorded: recorded answers need data.source = 'lem'")
    if isinstance(subject, DerivedSubject):
        if subject.origin not in names[:i]:
            hint = suggestion(subject.origin, names[:i])
            hint = hint or f"; expected one of {', '.join(names[:i])}"
            raise BadInput(f"{where}.from = '{subject.origin}': no such subject above it{hint}")
        if subject.origin in profile.recorded:
            raise BadInput(
                f"{where}.from = '{subject.origin}': has recorded answers, but no weights; "
                "name a subject with 'model' or 'from'"
            )
        if subject.origin in profile.served:
            _check_served(where, subject)
        if subject.abliterate and subject.adapter:
            raise BadInput(
                f"{where}: has abliterate and adapter; give each to a subject of its own, one "
                "derived from the other"
            )
        if not subject.is_edited and subject.system is None and not subject.kernel:
            raise BadInput(
                f"{where}: the same as {subject.origin}; add abliterate, adapter or lora, or one "
                "of system and kernel"
            )


def _check_served(where: str, subject: DerivedSubject) -> None:
    """Raise `BadInput` if ``subject``, derived from a served one, needs weights or a template."""
    for key in ("abliterate", "adapter", "lora", "dequantize"):
        if getattr(subject, key) not in (None, ()):
            raise BadInput(
                f"{where}.{key}: the weights of {subject.origin} are not available, since it is "
                "served; name a subject with 'model' in from"
            )
    if subject.system is None and not subject.kernel:
        raise BadInput(f"{where}: the same as {subject.origin}; add one of system and kernel")
    if subject.prompt == "plain":
        raise BadInput(
            f"{where}.prompt = 'plain': {subject.origin} is served, and is asked through chat "
            "completions; delete the key"
        )


def check_settings(where: str, path: Path, profile: Profile, kind: str) -> None:
    """Raise `BadInput` if the judge ``kind`` is an LLM and the profile has no settings for it."""
    form = JUDGE_KINDS[kind].settings
    if form is not None and JUDGE_KINDS[kind].is_llm and profile.judges.settings(kind) is None:
        required = " and ".join(n for n, f in form.model_fields.items() if f.is_required())
        raise BadInput(f"{where}: {path} has no table [judges.{kind}]; add one with {required}")


def _check_judge(where: str, path: Path, profile: Profile, benchmark: Benchmark) -> None:
    name = profile.judges.of(benchmark.name)
    if name == NONE:
        return
    kinds = [NONE, *JUDGE_KINDS]
    if name not in JUDGE_KINDS:
        hint = suggestion(name, kinds) or f"; one of {', '.join(kinds)}"
        raise BadInput(f"{where}: no such judge{hint}")
    check_settings(where, path, profile, name)
    if benchmark.likelihood is not None and benchmark.name not in profile.judges.lines:
        return  # no judge is asked
    if not JUDGE_KINDS[name].suits(benchmark):
        recorded = profile.data.source == "lem"
        suitable = [
            kind.name
            for kind in JUDGE_KINDS.values()
            if kind.suits(benchmark) and (recorded or kind.name != "recorded")
        ]
        use = f"use one of {', '.join(suitable)}, or '{NONE}'" if suitable else f"use '{NONE}'"
        raise BadInput(f"{where}: cannot judge {benchmark.name}; {use}")
    if name == "recorded":
        if profile.data.source != "lem":
            raise BadInput(f"{where}: recorded verdicts need data.source = 'lem'")
        for subject in profile.asked:
            raise BadInput(
                f"{where}: no recorded verdicts on {subject.name}, whose answers are generated; "
                "use another judge"
            )
