"""Metrics: the mean of a measure, its interval, and its change from the baseline."""

from collections.abc import Iterable, Sequence

from lek.benchmarks.benchmark import Measure
from lek.records import Change, Metric, Verdict
from lek.stats.intervals import mean, mean_interval, relative_change


def metric(
    subject: str,
    benchmark: str,
    measure: Measure,
    scores: dict[str, float | None],
    baseline: tuple[str, dict[str, float | None]] | None,
    spreads: Sequence[float] = (),
) -> Metric:
    """Return the metric of one subject, benchmark and measure: a cell of the results table.

    ``scores``: by case id; ``None`` means unscored. ``baseline``: the name and the scores of the
    subject that the change is relative to. ``spreads``: the spread of the votes on each scored
    case with several votes, as `spreads` returns them.
    """
    scored = [s for _, s in sorted(scores.items()) if s is not None]
    interval = mean_interval(scored, measure.scale)
    change = None
    if baseline is not None and baseline[0] != subject:
        left, right = paired(scores, baseline[1])
        relative = relative_change(left, right, measure.scale)
        if relative is not None:
            value, (low, high) = relative
            change = Change(against=baseline[0], value=value, low=low, high=high, n=len(left))
    return Metric(
        subject=subject,
        benchmark=benchmark,
        measure=measure.name,
        value=mean(scored) if scored else None,
        low=interval.low,
        high=interval.high,
        n=len(scored),
        unscored=len(scores) - len(scored),
        change=change,
        spread=mean(spreads) if spreads else None,
    )


def paired(
    left: dict[str, float | None], right: dict[str, float | None]
) -> tuple[list[float], list[float]]:
    """Return the scores of the cases that are scored on both sides, in the order of their ids."""
    both = [
        (x, y)
        for case, x in sorted(left.items())
        if x is not None and (y := right.get(case)) is not None
    ]
    return [x for x, _ in both], [y for _, y in both]


def spreads(verdicts: Iterable[Verdict], measure: str) -> list[float]:
    """Return the spread (maximum minus minimum) of the votes on each scored case with several."""
    votes = [
        [v.scores[measure] for v in verdict.votes if measure in v.scores]
        for verdict in verdicts
        if measure not in verdict.unscored
    ]
    return [max(scores) - min(scores) for scores in votes if len(scores) > 1]
