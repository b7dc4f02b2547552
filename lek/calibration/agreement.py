"""Agreement of recorded and judged scores, with 95% intervals.

Spearman's rho and Cohen's kappa with quadratic weights (Cohen 1968), each with a seeded percentile
bootstrap over cases; means per subject. A missing value is ``None`` with a reason.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lek.benchmarks.benchmark import Measure, Scale
from lek.records import Case, Response, Verdict
from lek.stats.intervals import CONFIDENCE, difference_interval, mean

_BLOCK = 1_000_000  # weights in memory at once
_ENOUGH = 0.95  # of the resamples must have a value, or there is no interval


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval; ``why`` says why the value or the interval is ``None``."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class Means:
    """One subject's means over the ``n`` answers scored by both; ``difference``: judge - record."""

    subject: str
    n: int
    recorded: float | None
    judged: float | None
    difference: Estimate


@dataclass(frozen=True)
class Pair:
    """One answer, its recorded scores and reasons by measure, and its verdict if it was judged."""

    case: Case
    response: Response
    recorded: Mapping[str, float | None]
    reasons: Mapping[str, str]
    verdict: Verdict | None = None

    def scores(self, measure: str) -> tuple[float, float] | None:
        """The recorded and the judged score; ``None`` if one is missing."""
        recorded = self.recorded.get(measure)
        judged = self.verdict.scores.get(measure) if self.verdict else None
        return None if recorded is None or judged is None else (recorded, judged)


@dataclass(frozen=True)
class Agreement:
    """The agreement on one measure, pooled over subjects.

    ``n``: answers with both scores. ``unrecorded``, ``unjudged``: answers left out because the
    recorded or the judged score is missing.
    """

    benchmark: str
    measure: str
    n: int
    unrecorded: int
    unjudged: int
    rho: Estimate
    kappa: Estimate
    means: tuple[Means, ...]

    @property
    def spearman(self) -> float | None:
        """The rank correlation alone; `rho` has its interval."""
        return self.rho.value


@dataclass(frozen=True)
class Calibration:
    """The comparison of a judge with the verdicts of a directory (the last part of its path).

    ``measures``: those compared, by benchmark. ``digests``: SHA-256 of each file that was
    read. ``pairs``: all answers, scored or not.
    """

    judge: str
    directory: str
    verdicts: str
    digests: dict[str, str]
    resamples: int
    seed: int
    measures: Mapping[str, tuple[Measure, ...]]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    @cached_property
    def agreements(self) -> tuple[Agreement, ...]:
        """One per benchmark with answers and measure."""
        how = {"resamples": self.resamples, "seed": self.seed}
        names = dict.fromkeys(p.case.benchmark for p in self.pairs)
        by = {b: [p for p in self.pairs if p.case.benchmark == b] for b in names}
        return tuple(agree(m, by[b], **how) for b in by for m in self.measures[b])

    def measure(self, agreement: "Agreement") -> Measure:
        """The measure of ``agreement``."""
        measures = self.measures[agreement.benchmark]
        return next(m for m in measures if m.name == agreement.measure)


def agree(measure: Measure, pairs: Sequence[Pair], **how: int) -> Agreement:
    """The agreement on ``measure`` over ``pairs`` of its benchmark; ``how``: resamples, seed."""
    scored = [(p, s) for p in pairs if (s := p.scores(measure.name)) is not None]
    cases, scores = [p.case.id for p, _ in scored], [s for _, s in scored]
    means = tuple(
        subject_means(name, [s for p, s in scored if p.response.subject == name], measure.scale)
        for name in dict.fromkeys(p.response.subject for p in pairs)
    )
    unrecorded = sum(p.recorded.get(measure.name) is None for p in pairs)
    return Agreement(
        benchmark=pairs[0].case.benchmark,
        measure=measure.name,
        n=len(scored),
        unrecorded=unrecorded,
        unjudged=len(pairs) - unrecorded - len(scored),
        rho=spearman(cases, scores, **how),
        kappa=kappa(cases, scores, **how),
        means=means,
    )


def spearman(cases: Sequence[str], scores: Sequence[tuple[float, float]], **how: int) -> Estimate:
    """The rank correlation of (recorded, judged) ``scores`` (n,); ``how``: resamples, seed."""
    import numpy as np

    def ranks(side: Any, weights: Any) -> Any:  # midranks less their mean, by row of weights
        _, place, sizes = np.unique(side, return_inverse=True, return_counts=True)
        by_score = weights[:, np.argsort(place, kind="stable")]
        upto = np.cumsum(by_score, axis=1)[:, np.cumsum(sizes) - 1]
        before = np.pad(upto[:, :-1], ((0, 0), (1, 0)))
        return ((before + upto - upto[:, -1:]) / 2)[:, place]

    def rho(weights: Any) -> Any:
        x, y = (ranks(side, weights) for side in zip(*scores, strict=True))
        spread = np.sqrt((weights * x * x).sum(1)) * np.sqrt((weights * y * y).sum(1))
        return (weights * x * y).sum(1) / spread

    return _estimate(rho, cases, "all answers have the same score on one side", **how)


def kappa(cases: Sequence[str], scores: Sequence[tuple[float, float]], **how: int) -> Estimate:
    """Quadratic-weighted kappa of ``scores`` rounded to whole points; ``how``: resamples, seed."""
    import numpy as np

    x, y = np.array([[whole(v) for v in pair] for pair in scores], float).reshape(-1, 2).T

    def statistic(weights: Any) -> Any:  # sums of whole numbers, so that 0 is exactly 0
        apart = weights.sum(1) * (weights @ (x - y) ** 2)
        squares = weights.sum(1) * (weights @ (x * x + y * y))
        return 1 - apart / (squares - 2 * (weights @ x) * (weights @ y))

    return _estimate(statistic, cases, "all answers have the same score on both sides", **how)


def whole(score: float) -> int:
    """``score`` to the nearest whole point, halves up."""
    return math.floor(score + 0.5)


def _estimate(
    statistic: Callable[[Any], Any], cases: Sequence[str], none: str, *, resamples: int, seed: int
) -> Estimate:
    """Bootstrap ``statistic`` of weights (samples, n); cases are resampled with all their answers.

    ``none``: the reason to give where the statistic is NaN.
    """
    import numpy as np

    if len(cases) < 3:
        return Estimate(None, why=f"{len(cases)} scored by both; at least 3 are needed")
    ids, owner = np.unique(cases, return_inverse=True)
    rng, values, step = np.random.default_rng(seed), [], max(1, _BLOCK // len(cases))
    with np.errstate(invalid="ignore"):  # 0/0 where there is no spread
        value = float(statistic(np.ones((1, len(cases))))[0])
        for at in range(0, resamples, step):
            shape = (min(step, resamples - at), len(ids))
            drawn = rng.integers(len(ids), size=shape) + len(ids) * np.arange(shape[0])[:, None]
            times = np.bincount(drawn.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
            values.append(statistic(times[:, owner].astype(float)))
    defined = [v[~np.isnan(v)] for v in values]
    if math.isnan(value):
        return Estimate(None, why=none)
    if len(ids) < 3 or sum(map(len, defined)) < _ENOUGH * resamples:
        return Estimate(value, why="no interval: too few cases, or too little variation")
    low, high = np.quantile(np.concatenate(defined), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))


def subject_means(subject: str, scores: Sequence[tuple[float, float]], scale: Scale) -> Means:
    """The means of one subject's (recorded, judged) ``scores``, all in the measure's unit."""
    if not scores:
        return Means(subject, 0, None, None, Estimate(None, why="nothing is scored by both"))
    recorded, judged = zip(*scores, strict=True)
    low, high = difference_interval(judged, recorded, scale)
    why = "no interval: only one answer is scored by both" if low is None else None
    difference = mean([y - x for x, y in scores])
    return Means(
        subject,
        len(scores),
        mean(recorded),
        mean(judged),
        Estimate(difference, low, high, why),
    )
