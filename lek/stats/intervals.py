"""Means, 95% intervals, relative changes and p-values, computed with SciPy.

Up to 500 cases, intervals are bias-corrected and accelerated bootstrap intervals (Efron 1987) with
10,000 seeded resamples; above, Student's t intervals, which agree with them at that size and are
fast. The mean of 0/1 scores has Wilson's score interval (1927). SciPy is imported on first use.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 20_260_101
MANY = 500


class Interval(NamedTuple):
    """A 95% interval; both ends are ``None`` if the data do not allow one."""

    low: float | None
    high: float | None


NO_INTERVAL = Interval(None, None)


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value, summed without loss of precision."""
    return math.fsum(values) / len(values)


def mean_interval(values: Sequence[float], *, proportion: bool = False) -> Interval:
    """Return the 95% interval of the mean of ``values`` (n,).

    ``proportion``: use Wilson's interval if all values are 0 or 1. Fewer than two values give no
    interval. If all values are equal, both ends are that value, as with resampling: such data
    carry no information about their spread.
    """
    if len(values) < 2:
        return NO_INTERVAL
    if proportion and set(values) <= {0.0, 1.0}:
        return _wilson(sum(values), len(values))
    if min(values) == max(values):
        return Interval(values[0], values[0])
    if len(values) > MANY:
        return _student(values)
    return _bootstrap((values,), lambda x, axis: x.mean(axis=axis))


def relative_change(left: Sequence[float], right: Sequence[float]) -> tuple[float, Interval] | None:
    """Return the relative change of the mean of ``left`` (n,) from that of ``right`` (n,).

    The change is a fraction, with its 95% interval. The values are pairs, which are resampled
    together; above 500 pairs the interval is that of the delta method with Student's t. ``None``
    without pairs, or if the mean of ``right`` is 0; no interval if resampling makes it 0.
    """
    if not left or mean(right) == 0:
        return None
    ratio = mean(left) / mean(right)
    if len(left) < 2:
        return ratio - 1, NO_INTERVAL
    residuals = [(x - ratio * y) / mean(right) for x, y in zip(left, right, strict=True)]
    if max(residuals) - min(residuals) < 1e-12:
        return ratio - 1, Interval(ratio - 1, ratio - 1)
    if len(left) > MANY:
        low, high = _student(residuals)
        return ratio - 1, Interval(ratio - 1 + (low or 0), ratio - 1 + (high or 0))
    return ratio - 1, _bootstrap(
        (left, right), lambda x, y, axis: x.mean(axis=axis) / y.mean(axis=axis) - 1
    )


def sign_flip_p(differences: Sequence[float], *, greater: bool) -> float:
    """Return the one-sided p-value of the null that ``differences`` (n,) are centred on 0.

    This is the sign-flip permutation test of Fisher (1935, section 21): exact for few pairs,
    otherwise with 10,000 seeded random flips. Above 500 pairs it is the t-test on the differences.
    ``greater``: the alternative is that the differences are greater than 0, else less.
    """
    if len(differences) > MANY:
        return _student_p(differences, greater=greater)
    from scipy import stats

    result = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1000,
        alternative="greater" if greater else "less",
        rng=_generator(),
    )
    return float(result.pvalue)


def binomial_p(successes: float, n: int, constant: float, *, greater: bool) -> float:
    """Return the one-sided p-value of the exact binomial test that a proportion is ``constant``.

    ``greater``: the alternative is that the proportion is greater, else less.
    """
    from scipy import stats

    side: Literal["greater", "less"] = "greater" if greater else "less"
    return float(stats.binomtest(round(successes), n, constant, alternative=side).pvalue)


def cases_needed(differences: Sequence[float], effect: float) -> int | None:
    """Return how many cases a 95% interval needs to exclude the margin with 80% power.

    ``effect``: the distance from the mean difference to the margin, in the measure's unit. Uses
    the normal approximation. ``None`` if there is no effect or no spread.
    """
    from scipy.special import ndtri

    deviation = _deviation(differences)
    if effect <= 0 or not deviation:
        return None
    z = float(ndtri(0.5 + CONFIDENCE / 2) + ndtri(0.8))
    return math.ceil((z * deviation / effect) ** 2)


def _generator() -> Any:
    import numpy as np

    return np.random.default_rng(SEED)


def _bootstrap(samples: Sequence[Sequence[float]], statistic: Callable[..., Any]) -> Interval:
    import numpy as np
    from scipy import stats

    # warnings are redundant: a zero mean in a ratio, or too little variation in the data, gives
    # ends that are not finite, which are handled below
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        interval = stats.bootstrap(
            samples,
            statistic,
            paired=len(samples) > 1,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=1000,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=_generator(),
        ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    return Interval(low, high) if math.isfinite(low) and math.isfinite(high) else NO_INTERVAL


def _wilson(successes: float, n: int) -> Interval:
    from scipy import stats

    interval = stats.binomtest(round(successes), n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def _deviation(values: Sequence[float]) -> float:
    """The sample standard deviation."""
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1))


def _student(values: Sequence[float]) -> Interval:
    from scipy import stats

    error = _deviation(values) / math.sqrt(len(values))
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean(values), scale=error)
    return Interval(float(low), float(high))


def _student_p(differences: Sequence[float], *, greater: bool) -> float:
    from scipy import stats

    if not _deviation(differences):
        centre = mean(differences)
        return float(not (centre > 0 if greater else centre < 0))
    side: Literal["greater", "less"] = "greater" if greater else "less"
    return float(stats.ttest_1samp(differences, 0.0, alternative=side).pvalue)
