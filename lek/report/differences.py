"""Paired differences of the subjects from the baseline, with 95% intervals."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from lek.benchmarks.benchmark import Measure
from lek.errors import BadInput
from lek.records import Metric
from lek.runs.run import Run
from lek.stats.gates import Gate, parse_gate
from lek.stats.intervals import difference_interval, mean
from lek.stats.metrics import paired

Key = tuple[str, str, str]  # benchmark, measure, subject


class Difference(NamedTuple):
    """The mean difference of ``subject`` from ``baseline`` over the cases scored for both.

    ``value``, ``low`` and ``high`` are in the unit of the measure; ``low`` and ``high`` are the
    ends of the 95% interval, ``None`` if there is only one pair. ``n``: the number of pairs.
    ``margins``: those of the gates that compare the two subjects, as limits of the difference.
    """

    subject: str
    benchmark: str
    measure: Measure
    baseline: str
    value: float
    low: float | None
    high: float | None
    n: int
    margins: tuple[float, ...] = ()

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def unit(self) -> str:
        """``points`` if the measure is shown in per cent, otherwise empty."""
        return "points" if self.measure.scale.fraction else ""

    @property
    def text(self) -> str:
        """The difference and its interval for display, without the unit: ``+1.26 [0.28, 2.24]``."""
        show = self.measure.text
        value = show(self.value, sign=True, unit=False)
        if not float(value):
            value = show(0.0, unit=False)
        if self.low is None or self.high is None:
            return value
        extra = self.measure.extra_decimals(self.low, self.high)
        low, high = (show(end, unit=False, extra=extra) for end in (self.low, self.high))
        return f"{value} [{low}, {high}]"


def differences(run: Run) -> list[Difference]:
    """The differences by benchmark, measure and subject, in the order of the run.

    Subjects that have no pair with the baseline are left out. Empty if the run has no baseline.
    """
    baseline = baseline_of(run)
    if baseline is None:
        return []
    scores, margins = scores_of(run), _margins(run, baseline)
    found = []
    for metric in metrics_by_measure(run):
        benchmark, measure, subject = metric.benchmark, run.measure(metric), metric.subject
        key = (benchmark, measure.name, subject)
        reference = scores.get((benchmark, measure.name, baseline), {})
        ours, theirs = paired(scores.get(key, {}), reference)
        if subject == baseline or not ours:
            continue
        value = mean([x - y for x, y in zip(ours, theirs, strict=True)])
        low, high = difference_interval(ours, theirs, measure.scale)
        limits = tuple(sorted(margins.get(key, ())))
        found.append(
            Difference(subject, benchmark, measure, baseline, value, low, high, len(ours), limits)
        )
    return found


def baseline_of(run: Run) -> str | None:
    """The subject that the others are compared with, or ``None`` if the run does not name one."""
    profile: dict[str, Any] = run.facts.get("profile", {}).get("content", {})
    against = (m.change.against for m in run.metrics if m.change)
    return profile.get("baseline") or next(against, None)


def metrics_by_measure(run: Run) -> list[Metric]:
    """The metrics sorted by benchmark and measure; subjects stay in the order of the run."""
    order = [(b.name, name) for b in run.benchmarks.values() for name in b.measure_names]
    places = {key: place for place, key in enumerate(order)}
    return sorted(run.metrics, key=lambda m: places[m.benchmark, m.measure])


def scores_of(run: Run) -> dict[Key, dict[str, float | None]]:
    """The scores by case id, for each benchmark, measure and subject; ``None`` is unscored."""
    scores: defaultdict[Key, dict[str, float | None]] = defaultdict(dict)
    for verdict in run.verdicts:
        case, subject = verdict.case, verdict.response.subject
        for measure, score in verdict.scores.items():
            scores[case.benchmark, measure, subject][case.id] = score
    return scores


def _margins(run: Run, baseline: str) -> dict[Key, set[float]]:
    """The margins of the gates that compare a subject with ``baseline``."""
    margins: defaultdict[Key, set[float]] = defaultdict(set)
    for gate in _gates(run):
        if gate.right == baseline:
            margins[gate.benchmark, gate.measure.name, gate.left].add(gate.margin)
        elif gate.right is not None and gate.left == baseline:
            margins[gate.benchmark, gate.measure.name, gate.right].add(-gate.margin)
    return margins


def _gates(run: Run) -> Iterator[Gate]:
    """The gates of ``run``, without those on benchmarks and subjects that it has no results of."""
    subjects = {metric.subject for metric in run.metrics}
    for ruling in run.gates:
        try:
            yield parse_gate(ruling.rule, run.benchmarks, subjects, "run.json")
        except BadInput:
            continue
