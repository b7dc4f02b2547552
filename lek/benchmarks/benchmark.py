"""Read a benchmark from its folder: fields of a case, measures, suitable judges."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from lek.errors import BadInput, suggestion

FILE = "benchmark.toml"
SHIPPED = "lek:"  # prefix of the path of a shipped file or directory
Detector = Literal["refusal_detector", "compliance_detector", "degeneration_detector"]
Source = Literal["judge", "exact", "likelihood"] | Detector
DETECTORS: tuple[Detector, ...] = get_args(Detector)
Suitable = Literal["exact", "reference", "recorded", "llm"]
_SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# markers of pytest and of the harness
_RESERVED = frozenset(
    "cases skip skipif xfail parametrize usefixtures filterwarnings tryfirst trylast".split()
)
_MAX_BYTES = 1_000_000  # of a benchmark.toml or a rubric
_EXACT_FIELD = "correct_answer"


class Scale(NamedTuple):
    """Closed range of a measure.

    A ``fraction`` is shown in per cent. It is 0 or 1 per case, unless it is ``graded``.
    """

    low: float
    high: float
    fraction: bool = False
    graded: bool = False

    @property
    def binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return self.fraction and not self.graded

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"

    def fault(self, value: float) -> str | None:
        """Why ``value`` is not on the scale; ``None`` if it is."""
        if self.binary and value not in (0, 1):
            return f"is {value:g}, neither 0 nor 1"
        return None if self.low <= value <= self.high else f"is {value:g}, outside {self}"


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of a case whose likelihoods a measure compares, by the names of its fields.

    Either ``true`` and ``false`` name fields with choices, or ``choices`` names one with all of
    them and ``answer`` one that says which is true: its number, counted from 0, its letter, or its
    text. ``score``: ``best`` is 1 if a true choice is likelier than all false ones, else 0;
    ``share`` is the probability of the true ones among all.
    """

    true: str | None = None
    false: str | None = None
    choices: str | None = None
    answer: str | None = None
    score: Literal["best", "share"] = "best"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, with the true choices first."""
        return tuple(f for f in (self.true, self.false, self.choices, self.answer) if f)

    def of(self, fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """The true and the false choices of a case with ``fields``.

        Left out are blank texts, repetitions, and texts that are true and false choices (see
        `contradictory`). Raises `ValueError` if none remains of one of the two kinds.
        """
        true, false = self._of(fields)
        both = set(true) & set(false)
        true, false = ([t for t in texts if t not in both] for texts in (true, false))
        if not true or not false:
            raise ValueError("needs a true and a false choice")
        return true, false

    def contradictory(self, fields: Mapping[str, Any]) -> bool:
        """Whether a text is a true and a false choice of a case with ``fields``."""
        true, false = self._of(fields)
        return not set(true).isdisjoint(false)

    def _of(self, fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        if self.choices is not None:
            choices = _texts(fields[self.choices])
            right = _right(choices, fields[str(self.answer)])
            true, false = [choices[right]], choices[:right] + choices[right + 1 :]
        else:
            true, false = _texts(fields[str(self.true)]), _texts(fields[str(self.false)])
        true, false = (
            list(dict.fromkeys(text for text in texts if text.strip())) for texts in (true, false)
        )
        return true, false


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _right(choices: Sequence[str], answer: Any) -> int:
    """The place of the right one of ``choices``; raises `ValueError` if there is none."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)]
    if answer in choices:
        return choices.index(answer)
    if isinstance(answer, str) and len(answer) == 1 and answer.upper() in letters:
        return letters.index(answer.upper())
    if isinstance(answer, str) and answer.strip().isdecimal():
        answer = int(answer)
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    if type(answer) is int and 0 <= answer < len(choices):
        return answer
    last = len(choices) - 1
    raise ValueError(
        f"the answer {answer!r} is none of the choices; expected 0 to {last}, A to {letters[-1:]}, "
        "or the text of a choice"
    )


@dataclass(frozen=True, slots=True)
class ChoicePrompt:
    """How the likelihood of a choice is asked: after ``examples`` and ``prompt``, ``choice``.

    ``prompt`` contains ``{prompt}``, the prompt of a case, and ``choice`` contains ``{choice}``.
    """

    examples: str = ""
    prompt: str = "Q: {prompt}\nA:"
    choice: str = " {choice}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity that is scored per answer. Higher is better.

    ``source``: what scores it (the judge chosen in the profile, the exact judge, a detector, or
    the likelihoods of ``choices``).
    ``rubric``: instructions in Markdown for an LLM judge, which then replaces a detector.
    ``where``: field values that a case must have for the measure to apply. ``recorded_as``: its key
    in recorded verdicts, if different.
    """

    name: str
    scale: Scale
    source: Source
    rubric: str | None = None
    where: tuple[tuple[str, Any], ...] = ()
    recorded_as: str | None = None
    choices: Choices | None = None

    @property
    def detected(self) -> bool:
        """Whether a detector scores it."""
        return self.source in DETECTORS

    def applies_to(self, fields: Mapping[str, Any]) -> bool:
        """Whether the measure applies to a case with these ``fields``."""
        if self.choices and any(fields.get(name) is None for name in self.choices.fields):
            return False
        return all(fields.get(name) == value for name, value in self.where)

    def text(self, value: float, *, sign: bool = False, unit: bool = True, extra: int = 0) -> str:
        """``value`` for display: ``34.0%`` for a fraction, otherwise two decimals.

        ``extra``: the number of further decimals, as `extra_decimals` returns it.
        """
        plus = "+" if sign else ""
        if self.scale.fraction:
            return f"{value * 100:{plus}.{1 + extra}f}{'%' if unit else ''}"
        return f"{value:{plus}.{2 + extra}f}"

    def extra_decimals(self, low: float, high: float) -> int:
        """How many further decimals show that ``low`` and ``high`` differ; at most 4."""

        def shown(value: float, extra: int) -> float:
            return float(self.text(value, unit=False, extra=extra))

        return next((n for n in range(5) if shown(low, n) != shown(high, n)), 0)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a case, in addition to its id and prompt.

    ``label``: the heading under which an LLM judge sees the value (``None``: not shown). ``tag``:
    whether the value becomes a tag of the case.
    """

    name: str
    type: Literal["text", "texts", "number", "any"] = "any"
    required: bool = False
    label: str | None = None
    tag: bool = False


class Column(NamedTuple):
    """A column of a table.

    ``after``: only the text after the last occurrence of this counts. ``label``: of a column with
    ``choices`` and ``labels``, only the choices with this label count.
    """

    name: str
    after: str | None = None
    label: int | None = None


def columns_of(written: Mapping[str, Any]) -> tuple[tuple[str, Column], ...]:
    """The columns by field, each ``written`` as a name or with the attributes of a table."""
    return tuple(
        (field, Column(c) if isinstance(c, str) else Column(c.column, c.after, c.label))
        for field, c in written.items()
    )


@dataclass(frozen=True, slots=True)
class CaseSource:
    """Where the cases of a benchmark are: files at ``path``, or a data set of the hub.

    ``path``: a file, or a directory of files. ``dataset``: ``owner/name`` on the hub, with its
    ``config``, ``split`` and ``revision``. ``columns``: the columns by the name of the case's field
    (``id``, ``prompt``, or a field of the benchmark); if empty, columns have the names of fields.
    """

    path: str | None = None
    dataset: str | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    columns: tuple[tuple[str, Column], ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark. ``digest`` is the SHA-256 of ``benchmark.toml`` and its rubrics.

    ``cases``: where its cases are, unless a profile names another place. ``likelihood``: how the
    likelihoods of choices are asked; ``None`` if subjects generate answers.
    """

    name: str
    marker: str
    fields: tuple[Field, ...]
    measures: tuple[Measure, ...]
    judges: tuple[Suitable, ...]
    digest: str
    cases: CaseSource | None = None
    likelihood: ChoicePrompt | None = None

    def __getitem__(self, measure: str) -> Measure:
        """The measure of that name; raises `KeyError`."""
        for candidate in self.measures:
            if candidate.name == measure:
                return candidate
        raise KeyError(measure)

    def __contains__(self, measure: object) -> bool:
        return measure in self.measure_names

    @property
    def measure_names(self) -> tuple[str, ...]:
        """The names of the measures, in order."""
        return tuple(measure.name for measure in self.measures)

    def describe(self) -> dict[str, Any]:
        """The part that ``run.json`` stores, so that a run can be read without the folder."""
        measures = {
            m.name: {
                "scale": [m.scale.low, m.scale.high],
                "fraction": m.scale.fraction,
                "source": m.source,
                "where": dict(m.where),
                **({"graded": True} if m.scale.graded else {}),
                **({"choices": asdict(m.choices)} if m.choices else {}),
            }
            for m in self.measures
        }
        return {"marker": self.marker, "digest": self.digest, "measures": measures}

    @classmethod
    def from_description(cls, name: str, described: Mapping[str, Any]) -> "Benchmark":
        """The benchmark from the output of `describe`, without fields, rubrics and judges."""
        measures = tuple(
            Measure(
                name=measure,
                scale=Scale(
                    found["scale"][0],
                    found["scale"][1],
                    found["fraction"],
                    found.get("graded", False),
                ),
                source=found["source"],
                where=tuple(found["where"].items()),
                choices=Choices(**found["choices"]) if "choices" in found else None,
            )
            for measure, found in described["measures"].items()
        )
        return cls(name, described["marker"], (), measures, (), described["digest"])


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "texts", "number", "any"] = "any"
    required: bool = False
    label: str | None = None
    tag: bool = False


class _Measure(msgspec.Struct, forbid_unknown_fields=True):
    source: Source
    scale: tuple[int, int] | None = None
    rubric: str | None = None
    where: dict[str, str | int | float | bool] = {}
    recorded_as: str | None = None
    true: str | None = None
    false: str | None = None
    choices: str | None = None
    answer: str | None = None
    score: Literal["best", "share"] | None = None


class _Likelihood(msgspec.Struct, forbid_unknown_fields=True):
    examples: str | None = None
    prompt: str = ChoicePrompt().prompt
    choice: str = ChoicePrompt().choice


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    column: str
    after: str | None = None
    label: int | None = None


class _Cases(msgspec.Struct, forbid_unknown_fields=True):
    path: str | None = None
    dataset: str | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    columns: dict[str, str | _Column] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    marker: str
    judges: list[Suitable]
    measures: dict[str, _Measure]
    fields: dict[str, _Field] = {}
    cases: _Cases | None = None
    likelihood: _Likelihood | None = None


@cache
def shipped() -> dict[str, Benchmark]:
    """The benchmarks that ship with the package, by name, in alphabetical order."""
    folders = sorted(file.parent for file in _SHIPPED.glob(f"*/{FILE}"))
    return {folder.name: read_benchmark(folder) for folder in folders}


def resolve(names: Sequence[str], base: Path, where: str) -> dict[str, Benchmark]:
    """The benchmarks with these ``names``, each of which ships or is a path relative to ``base``.

    Raises `BadInput` with a message that begins with ``where``.
    """
    benchmarks: dict[str, Benchmark] = {}
    for i, name in enumerate(names):
        if name in shipped():
            benchmark = shipped()[name]
        elif "/" in name or name.startswith("."):
            benchmark = read_benchmark(
                Path(os.path.normpath(base / name)), f"{where}[{i}] = '{name}': "
            )
        else:
            hint = suggestion(name, shipped()) or f"; expected one of {', '.join(shipped())}"
            raise BadInput(f"{where}[{i}] = '{name}': no such benchmark{hint}, or a folder's path")
        if benchmark.name in benchmarks:
            raise BadInput(f"{where}[{i}]: '{benchmark.name}' is listed twice; delete one")
        benchmarks[benchmark.name] = benchmark
    return benchmarks


def read_benchmark(folder: Path, where: str = "") -> Benchmark:
    """The benchmark in ``folder``; raises `BadInput` with a message that begins with ``where``."""
    path = folder / FILE
    try:
        text = _read(path)
    except OSError as e:
        reason = e.strerror or str(e)
        raise BadInput(f"{where}{path}: cannot be read: {reason}; expected a {FILE}") from e
    try:
        content = tomllib.loads(text)
        file = msgspec.convert(content, _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as e:
        raise BadInput(f"{where}{path}: {e}") from e
    _check(path, file)
    rubrics = {name: _rubric(path, name, m) for name, m in file.measures.items()}
    measures = tuple(_measure(name, m, rubrics[name]) for name, m in file.measures.items())
    fields = tuple(
        Field(name, f.type, f.required, f.label, f.tag) for name, f in file.fields.items()
    )
    likelihood = _choice_prompt(path, file)
    parts = [content, rubrics, *([likelihood.examples] if likelihood else [])]
    content_and_rubrics = json.dumps(parts, ensure_ascii=False)
    digest = hashlib.sha256(content_and_rubrics.encode()).hexdigest()
    cases = _case_source(path, file.cases, folder) if file.cases else None
    judges = tuple(file.judges)
    return Benchmark(file.name, file.marker, fields, measures, judges, digest, cases, likelihood)


def _case_source(path: Path, cases: _Cases, folder: Path) -> CaseSource:
    where = check_cases(f"{path}: cases", cases.path, cases.dataset, cases.split)
    if where is not None:
        raise BadInput(where)
    columns = columns_of(cases.columns)
    place = cases.path
    if place is not None and not place.startswith(SHIPPED):
        place = os.path.normpath(folder / place)
    return CaseSource(place, cases.dataset, cases.config, cases.split, cases.revision, columns)


def check_cases(where: str, path: str | None, dataset: str | None, split: str | None) -> str | None:
    """Why these keys of a source of cases do not fit together; ``None`` if they do."""
    if (path is None) == (dataset is None):
        return f"{where}: give either path or dataset"
    if dataset is not None and split is None:
        return f"{where}.split: missing; name the split of {dataset}"
    return None


def name_problem(name: str, *, marker: bool = True) -> str | None:
    """Why ``name`` cannot be the name of a benchmark or measure; ``None`` if it can.

    ``marker``: whether it is the name of a pytest marker too, as that of a benchmark is.
    """
    if not _NAME.fullmatch(name):
        return "expected lower-case letters, digits and '_', beginning with a letter"
    if marker and name in _RESERVED:
        return "pytest uses this name; choose another"
    return None


def _check(path: Path, file: _File) -> None:
    """Raise `BadInput` for errors that the types of the keys do not exclude."""
    for key, name in (("name", file.name), ("marker", file.marker), *_named(file)):
        problem = name_problem(name, marker=key != "measures")
        if problem is not None:
            raise BadInput(f"{path}: {key} = '{name}': {problem}")
    if not file.measures:
        raise BadInput(f"{path}: measures: empty; add at least one")
    for name, measure in file.measures.items():
        where = f"{path}: measures.{name}"
        if (measure.source == "judge") != (measure.scale is not None):
            raise BadInput(
                f"{where}.scale: " + ("missing; give [low, high]" if measure.scale is None
                else f"not for source = '{measure.source}', which gives 0 or 1")
            )  # fmt: skip
        if measure.scale is not None and not measure.scale[0] < measure.scale[1]:
            raise BadInput(f"{where}.scale = {list(measure.scale)}: expected [low, high]")
        if measure.source == "judge" and measure.rubric is None and "llm" in file.judges:
            raise BadInput(
                f"{where}.rubric: missing; name a Markdown file of the folder for LLM judges"
            )
        _check_choices(where, file, measure)
        for key in measure.where:
            if key not in file.fields:
                hint = suggestion(key, file.fields) or "; declare it below [fields]"
                raise BadInput(f"{where}.where.{key}: no such field{hint}")
        exact_field = file.fields.get(_EXACT_FIELD)
        if measure.source == "exact" and not (
            exact_field and exact_field.required and exact_field.type == "text"
        ):
            need = f'{_EXACT_FIELD} = {{ type = "text", required = true }}'
            raise BadInput(f"{where}.source = 'exact': needs the field {need}")


_CHOICE_KEYS = ("true", "false", "choices", "answer", "score")


def _check_choices(where: str, file: _File, measure: _Measure) -> None:
    """Raise `BadInput` unless a measure has keys of choices exactly if likelihoods score it."""
    given = {key for key in _CHOICE_KEYS if getattr(measure, key) is not None} - {"score"}
    if measure.source != "likelihood":
        if given or measure.score is not None:
            key = min(given | {"score"} if measure.score else given)
            raise BadInput(f"{where}.{key}: only for source = 'likelihood'; delete it")
        if "likelihood" in {m.source for m in file.measures.values()}:
            raise BadInput(
                f"{where}.source = '{measure.source}': cannot be combined with source = "
                "'likelihood'; put the measure into another benchmark"
            )
        return
    if given not in ({"true", "false"}, {"choices", "answer"}):
        raise BadInput(f"{where}: give the fields true and false, or choices and answer")
    if measure.rubric is not None:
        raise BadInput(f"{where}.rubric: no judge scores likelihoods; delete it")
    for key in given:
        if (name := getattr(measure, key)) not in file.fields:
            hint = suggestion(name, file.fields) or "; declare it below [fields]"
            raise BadInput(f"{where}.{key} = '{name}': no such field{hint}")
        kind = file.fields[name].type
        if key != "answer" and kind not in ("text", "texts"):
            raise BadInput(f"{where}.{key} = '{name}': has the type {kind}; expected text or texts")


def _choice_prompt(path: Path, file: _File) -> ChoicePrompt | None:
    table = file.likelihood or _Likelihood()
    if all(measure.source != "likelihood" for measure in file.measures.values()):
        if file.likelihood is not None:
            raise BadInput(f"{path}: likelihood: no measure has source = 'likelihood'; delete it")
        return None
    for key, mark in (("prompt", "{prompt}"), ("choice", "{choice}")):
        if getattr(table, key).count(mark) != 1:
            raise BadInput(f"{path}: likelihood.{key}: must contain {mark} once")
    examples = ""
    if table.examples is not None:
        where = f"{path}: likelihood.examples = '{table.examples}'"
        examples = _text_file(path, where, table.examples)
    return ChoicePrompt(examples, table.prompt, table.choice)


def _named(file: _File) -> list[tuple[str, str]]:
    return [("measures", name) for name in file.measures]


def _rubric(path: Path, name: str, measure: _Measure) -> str | None:
    if measure.rubric is None:
        return None
    return _text_file(path, f"{path}: measures.{name}.rubric = '{measure.rubric}'", measure.rubric)


def _text_file(path: Path, where: str, name: str) -> str:
    """The text of the file ``name`` in the folder of the benchmark file ``path``."""
    if Path(name).name != name:
        raise BadInput(f"{where}: expected the name of a file in the folder")
    try:
        return _read(path.parent / name)
    except OSError as e:
        raise BadInput(f"{where}: cannot be read: {e.strerror or e}") from e


def _measure(name: str, file: _Measure, rubric: str | None) -> Measure:
    choices = None
    if file.source == "likelihood":
        score = file.score or "best"
        choices = Choices(file.true, file.false, file.choices, file.answer, score)
    graded = choices is not None and choices.score == "share"
    scale = Scale(*file.scale) if file.scale else Scale(0, 1, fraction=True, graded=graded)
    where = tuple(file.where.items())
    return Measure(name, scale, file.source, rubric, where, file.recorded_as, choices)


def _read(path: Path) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise BadInput(f"{path}: larger than {_MAX_BYTES:,} bytes")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as e:
        raise BadInput(f"{path}: not UTF-8 (byte {e.start}); save it as UTF-8") from e
