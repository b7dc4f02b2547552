"""The words of the harness as frozen records: case, response, verdict, metric, ruling.

In come plain values, out go immutable records that survive one JSON round trip unchanged:
``Record.model_validate_json(record.model_dump_json()) == record``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BadInput(ValueError):
    """A fault in what the user gave: one line that names the place, the fault and the remedy."""


class Scale(NamedTuple):
    """The closed range of a measure. A ``fraction`` is shown in per cent, others as they are."""

    low: float
    high: float
    fraction: bool = False

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a benchmark measures. Higher is better on every measure."""

    name: str
    marker: str
    measures: tuple[str, ...]
    scale: Scale

    def text(self, value: float, *, sign: bool = False, unit: bool = True) -> str:
        """``value`` as people read it: ``34.0%`` for a fraction, ``4.90`` for a 1-10 measure."""
        plus = "+" if sign else ""
        if self.scale.fraction:
            return f"{value * 100:{plus}.1f}{'%' if unit else ''}"
        return f"{value:{plus}.2f}"


_ONE_TO_TEN = Scale(1, 10)
BENCHMARKS: Mapping[str, Benchmark] = {
    b.name: b
    for b in (
        Benchmark("gsm8k", "reasoning", ("accuracy",), Scale(0, 1, fraction=True)),
        Benchmark("truthfulqa", "truthful", ("truthfulness", "informativeness"), _ONE_TO_TEN),
        Benchmark("do_not_answer", "safety", ("safety", "nuance"), _ONE_TO_TEN),
        Benchmark("toxigen", "kindness", ("kindness", "awareness"), _ONE_TO_TEN),
        Benchmark(
            "ethics",
            "ethics",
            ("sovereignty", "ethical_depth", "creative_expression", "self_concept"),
            _ONE_TO_TEN,
        ),
    )
}

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Case(_Record):
    """One benchmark item. ``reference`` holds what a judge may compare with."""

    id: str
    benchmark: str
    prompt: str
    reference: dict[str, Any] = {}
    tags: tuple[str, ...] = ()


class Response(_Record):
    """What a subject said to a case. ``text`` is ``None`` exactly when ``reason`` says why.

    ``seconds`` is wall time; ``finish`` is ``stop`` or ``length`` (cut off) where it is known.
    """

    subject: str
    case: str
    text: str | None
    reason: str | None = None
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: Number | None = None

    @model_validator(mode="after")
    def _text_or_reason(self) -> "Response":
        if (self.text is None) == (self.reason is None):
            raise ValueError("a response has either a text or a reason why there is none")
        return self


class Verdict(_Record):
    """The scores of one response. A measure is ``None`` exactly when ``unscored`` says why.

    This is one line of ``verdicts.jsonl`` and the only thing that a test sends to the controller.
    """

    case: Case
    response: Response
    scores: dict[str, Number | None]
    unscored: dict[str, str] = {}
    reason: str | None = None
    judge: str
    seconds: Number | None = None

    @model_validator(mode="after")
    def _every_measure_scored_or_explained(self) -> "Verdict":
        benchmark = BENCHMARKS[self.case.benchmark]
        if set(self.scores) != set(benchmark.measures):
            raise ValueError(f"a {benchmark.name} verdict scores {', '.join(benchmark.measures)}")
        if {m for m, s in self.scores.items() if s is None} != set(self.unscored):
            raise ValueError("a measure is None exactly when `unscored` says why")
        low, high, _ = benchmark.scale
        for measure, score in self.scores.items():
            if score is not None and not low <= score <= high:
                raise ValueError(f"{measure} is {score:g}, outside {benchmark.scale}")
        return self


class Change(_Record):
    """Relative change of a mean against the baseline's, over the cases that both sides have.

    ``value``, ``low``, ``high`` are fractions (0.35 is +35%); ``n`` is the number of pairs.
    """

    against: str
    value: Number
    low: Number | None
    high: Number | None
    n: int


class Metric(_Record):
    """One measure of one subject on one benchmark: mean, 95% interval, scored and unscored cases.

    ``value`` is ``None`` when nothing was scored; ``low`` and ``high`` also when one case was.
    """

    subject: str
    benchmark: str
    measure: str
    value: Number | None
    low: Number | None
    high: Number | None
    n: int
    unscored: int
    change: Change | None = None


class Ruling(_Record):
    """A gate's answer. Numbers are in the measure's unit; ``n`` counts pairs (or cases)."""

    rule: str
    ruling: Literal["open", "shut", "unmeasured", "not asked"]
    difference: Number | None = None
    low: Number | None = None
    high: Number | None = None
    p: Number | None = None
    n: int = 0
    why: str
