"""The benchmarks and what each measures: markers, measures, scales."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


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
