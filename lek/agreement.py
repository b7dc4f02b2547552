"""Pairs of recorded and judged scores -> how well they agree: rank correlation, kappa, order.

Spearman's rho with a percentile bootstrap over cases (seeded), Cohen's kappa with quadratic weights
(Cohen 1968). What has no value is ``None``: nothing missing becomes a number. SciPy is imported on
first use.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lek.intervals import mean

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Means:
    """One subject's means over the cases that both sides scored; ``None`` where there are none."""

    subject: str
    n: int
    recorded: float | None
    judged: float | None


@dataclass(frozen=True)
class Disagreement:
    """A case on which judge and record differ, with its texts cut."""

    subject: str
    case: str
    recorded: float
    judged: float
    prompt: str
    answer: str
    reason: str


@dataclass(frozen=True)
class Agreement:
    """How a judge agrees with the record on one measure, pooled over subjects.

    ``spearman`` is the rank correlation of single answers, ``low`` to ``high`` its 95% interval,
    ``kappa`` Cohen's kappa with quadratic weights on whole points; each is ``None`` where it is not
    defined. ``unrecorded`` and ``unjudged`` count answers left out because the record or the
    judge has no score. ``same_order`` says whether both rank the subjects' means alike; it is
    ``None`` for fewer than two subjects.
    """

    benchmark: str
    measure: str
    n: int
    unrecorded: int
    unjudged: int
    spearman: float | None
    low: float | None
    high: float | None
    kappa: float | None
    means: tuple[Means, ...]
    same_order: bool | None
    worst: tuple[Disagreement, ...]


class Correlation(NamedTuple):
    """Spearman's rho and its 95% interval."""

    rho: float | None
    low: float | None
    high: float | None


def spearman(
    cases: Sequence[str],
    recorded: Sequence[float],
    judged: Sequence[float],
    *,
    resamples: int,
    seed: int,
) -> Correlation:
    """The rank correlation of ``recorded`` with ``judged`` (n,), resampled by ``cases`` (n,).

    All answers to a case are drawn together, since they share its difficulty. No value for fewer
    than three pairs or where one side's scores are all alike; resamples of that kind are dropped.
    """
    import numpy as np
    from scipy.stats import bootstrap, rankdata

    x, y = np.asarray(recorded, float), np.asarray(judged, float)

    def rho(at: "np.typing.NDArray[np.int_]") -> float:
        a, b = rankdata(x[at]), rankdata(y[at])
        a, b = a - a.mean(), b - b.mean()
        spread = math.sqrt(float(a @ a) * float(b @ b))
        return float(a @ b) / spread if spread else math.nan

    if len(x) < 3:
        return Correlation(None, None, None)
    value = rho(np.arange(len(x)))
    ids = list(dict.fromkeys(cases))
    if math.isnan(value) or len(ids) < 3:
        return Correlation(None if math.isnan(value) else value, None, None)
    place = {case: i for i, case in enumerate(ids)}
    rows: list[list[int]] = [[] for _ in ids]
    for i, case in enumerate(cases):
        rows[place[case]].append(i)
    drawn = bootstrap(
        (np.arange(len(ids)),),
        lambda sample: rho(np.array([i for case in sample for i in rows[case]])),
        vectorized=False,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution
    defined = drawn[~np.isnan(drawn)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (None, None)
    return Correlation(
        value, None if low is None else float(low), None if high is None else float(high)
    )


def kappa(recorded: Sequence[float], judged: Sequence[float]) -> float | None:
    """Cohen's kappa with quadratic weights on scores rounded to whole points.

    ``None`` without pairs, or where both sides always give one and the same score: then chance
    alone agrees as well.
    """
    x, y = [math.floor(v + 0.5) for v in recorded], [math.floor(v + 0.5) for v in judged]
    if not x:
        return None
    apart = sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(x)
    chance = sum((a - b) ** 2 for a in x for b in y) / len(x) ** 2
    return 1 - apart / chance if chance else None


def subject_means(
    names: Sequence[str],
    subjects: Sequence[str],
    recorded: Sequence[float],
    judged: Sequence[float],
) -> tuple[Means, ...]:
    """The means of each of ``names``; ``subjects`` (n,) says whose each pair of scores is."""
    found = []
    for name in names:
        at = [i for i, subject in enumerate(subjects) if subject == name]
        ours, theirs = [judged[i] for i in at], [recorded[i] for i in at]
        found.append(
            Means(name, len(at), mean(theirs), mean(ours)) if at else Means(name, 0, None, None)
        )
    return tuple(found)


def same_order(means: Sequence[Means]) -> bool | None:
    """Whether recorded and judged means rank the subjects alike (ties must be ties on both)."""
    known = [(m.recorded, m.judged) for m in means if m.recorded is not None]
    pairs = [(r, j) for r, j in known if j is not None]
    if len(pairs) < 2:
        return None
    return all(
        (r1 > r2) == (j1 > j2) and (r1 == r2) == (j1 == j2) for r1, j1 in pairs for r2, j2 in pairs
    )
