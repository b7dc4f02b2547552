"""Scores by case -> Metric: the mean of a measure, its interval, its change from the baseline."""

from collections.abc import Iterable, Sequence

from lek.benchmarks.benchmark import Measure
from lek.records import Change, Metric, Verdict
from lek.stats.intervals import NO_INTERVAL, mean, mean_interval, relative_change


def metric(
    subject: str,
    benchmark: str,
    measure: Measure,
    scores: dict[str, float | None],
    baseline: tuple[str, dict[str, float | None]] | None,
    spreads: Sequence[float] = (),
) -> Metric:
    """One cell of the table: ``scores`` by case id (``None`` is unscored) for a measure.

    ``baseline`` is the name and the scores of the subject to show the change against; ``spreads``
    are how far the votes on each scored case lie apart, where there are several.
    """
    scored = [s for _, s in sorted(scores.items()) if s is not None]
    proportion = measure.scale.fraction
    interval = mean_interval(scored, proportion=proportion) if scored else NO_INTERVAL
    change = None
    if baseline is not None and baseline[0] != subject:
        left, right = paired(scores, baseline[1])
        found = relative_change(left, right)
        if found is not None:
            value, (low, high) = found
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
    """The scores of the cases that both sides have scored, in the order of their ids."""
    both = [
        (x, y)
        for case, x in sorted(left.items())
        if x is not None and (y := right.get(case)) is not None
    ]
    return [x for x, _ in both], [y for _, y in both]


def spreads(verdicts: Iterable[Verdict], measure: str) -> list[float]:
    """How far the votes on each scored case lie apart, where there are several: max minus min."""
    votes = [
        [v.scores[measure] for v in verdict.votes if measure in v.scores]
        for verdict in verdicts
        if measure not in verdict.unscored
    ]
    return [max(scores) - min(scores) for scores in votes if len(scores) > 1]
