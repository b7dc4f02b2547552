"""TOML file -> Profile, checked: everything about an evaluation that is not on the command line.

Every fault becomes one ``BadInput`` line of the form ``FILE: KEY: what is wrong; what is right``.
"""

import difflib
import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lek.records import BENCHMARKS, BadInput

JudgeKind = Literal["recorded", "exact"]
BenchmarkName = Literal["gsm8k", "truthfulqa", "do_not_answer", "toxigen", "ethics"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(_Table):
    """Where the cases lie: a directory of the LEM layout, and which of its benchmarks to use."""

    source: Literal["lem"]
    dir: str | None = None
    benchmarks: tuple[BenchmarkName, ...] = get_args(BenchmarkName)
    shuffle_seed: int | None = None


class Subject(_Table):
    """A model variant. ``recorded`` is the name under which the data holds its answers."""

    name: Name
    recorded: Name


class Abliterate(_Table):
    """Remove the refusal direction (Arditi et al. 2024), found on two files of prompts.

    ``harmful`` and ``harmless`` are JSON Lines with ``id`` and ``prompt``. ``max_kl`` bounds the
    answer-token KL on harmless prompts (nat); ``ridge`` is the λ of the projector.
    """

    harmful: str
    harmless: str
    max_kl: Annotated[float, Field(gt=0)] = 0.1
    ridge: Annotated[float, Field(gt=0)] = 0.01
    max_tokens: Annotated[int, Field(ge=1)] = 32
    seed: int = 0


class Stage(_Table):
    """One LoRA fine-tune (Hu et al. 2021). The defaults are those of the published LEK models.

    ``data`` is a directory with ``train.jsonl`` (and ``valid.jsonl``), or one ``.jsonl`` file of
    chats. ``layers`` counts from the last one, -1 means all.
    """

    data: str
    iters: Annotated[int, Field(ge=1)] = 200
    batch_size: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    mask_prompt: bool = True
    layers: Annotated[int, Field(ge=-1)] = -1
    rank: Annotated[int, Field(ge=1)] = 8
    scale: Annotated[float, Field(gt=0)] = 20.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    save_every: Annotated[int, Field(ge=1)] = 50
    max_seq_length: Annotated[int, Field(ge=2)] = 2048
    seed: int = 0


class Judges(_Table):
    """The judge of each benchmark; ``default`` serves those without a line of their own."""

    default: JudgeKind
    gsm8k: JudgeKind | None = None
    truthfulqa: JudgeKind | None = None
    do_not_answer: JudgeKind | None = None
    toxigen: JudgeKind | None = None
    ethics: JudgeKind | None = None

    def of(self, benchmark: str) -> JudgeKind:
        """The judge kind that ``benchmark`` gets."""
        own: JudgeKind | None = getattr(self, benchmark)
        return own or self.default


class Gates(_Table):
    """The claims, and when a claim counts as measured."""

    rules: tuple[str, ...] = ()
    min_cases: Annotated[int, Field(ge=2)] = 20
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.05
    correction: Literal["holm", "none"] = "holm"


class Profile(_Table):
    """One evaluation. ``baseline`` is the subject that changes are shown against."""

    description: str = ""
    baseline: str = "base"
    data: Data
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]
    judges: Judges
    gates: Gates = Gates()

    @property
    def subject_names(self) -> tuple[str, ...]:
        """Subject names in the order of the profile, which is the order of every table."""
        return tuple(s.name for s in self.subjects)


class LoadedProfile(BaseModel):
    """A profile with the file that it came from and the SHA-256 of that file's bytes."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    digest: str
    profile: Profile


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
    tables: dict[str, type[BaseModel]] = {
        "data": Data,
        "subjects": Subject,
        "judges": Judges,
        "gates": Gates,
    }
    return list(tables[str(loc[0])].model_fields if loc else Profile.model_fields)


def _check_names(path: Path, profile: Profile) -> None:
    names = profile.subject_names
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"{path}: subjects[{i}].name: '{name}' is taken; rename one of the two")
    models = [s.recorded for s in profile.subjects]
    for i, model in enumerate(models):
        if model in models[:i]:
            first = names[models.index(model)]
            raise BadInput(f"{path}: subjects[{i}].recorded: '{model}' is that of {first} already")
    if profile.baseline not in names:
        hint = suggestion(profile.baseline, names) or f"; subjects are {', '.join(names)}"
        raise BadInput(f"{path}: baseline = '{profile.baseline}': no such subject{hint}")
    for i, benchmark in enumerate(profile.data.benchmarks):
        if benchmark in profile.data.benchmarks[:i]:
            raise BadInput(f"{path}: data.benchmarks[{i}]: '{benchmark}' is named twice")
    if not profile.data.benchmarks:
        raise BadInput(f"{path}: data.benchmarks: empty; name at least one of {list(BENCHMARKS)}")
    for benchmark in profile.data.benchmarks:
        if benchmark != "gsm8k" and profile.judges.of(benchmark) == "exact":
            key = benchmark if getattr(profile.judges, benchmark) else "default"
            raise BadInput(
                f"{path}: judges.{key} = 'exact': reads numbers, so it can judge gsm8k alone, "
                f"not {benchmark}; use 'recorded' here"
            )
