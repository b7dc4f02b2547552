"""Numbers -> means, 95% intervals, relative changes and p-values, by SciPy.

Up to 500 cases the interval is the bias-corrected and accelerated bootstrap (Efron 1987), seeded,
10,000 resamples; above, Student's t, which agrees there and costs nothing. A mean of 0/1 scores has
Wilson's score interval (1927). SciPy is imported on first use.
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
    """A 95% interval; both ends ``None`` where the data do not give one."""

    low: float | None
    high: float | None


NO_INTERVAL = Interval(None, None)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value, summed without rounding."""
    return math.fsum(values) / len(values)


def mean_interval(values: Sequence[float], *, proportion: bool = False) -> Interval:
    """The 95% interval of the mean of ``values`` (n,), for a ``proportion`` of 0 and 1 Wilson's.

    Fewer than two values give no interval. Values that are all equal give that value twice, as
    resampling them does: such data cannot show their own spread.
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
    """Change of the mean of ``left`` (n,) against that of its pairs ``right`` (n,), as a fraction.

    Pairs are resampled together. Above 500 pairs the interval is the delta method's with t.
    ``None`` without pairs or where the mean of ``right`` is 0; no interval where it may be 0.
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
    """One-sided p that paired ``differences`` (n,) are centred on 0, by flipping their signs.

    The permutation test of Fisher (1935, section 21), exact for few pairs, else 10,000 seeded
    flips; above 500 pairs the t-test on the differences.
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
    """One-sided p of the exact binomial test that a proportion equals ``constant``."""
    from scipy import stats

    side: Literal["greater", "less"] = "greater" if greater else "less"
    return float(stats.binomtest(round(successes), n, constant, alternative=side).pvalue)


def cases_needed(differences: Sequence[float], effect: float) -> int | None:
    """How many cases a 95% interval needs to clear an ``effect`` with 80% power (normal theory).

    ``effect`` is the distance from the mean difference to the margin, in the measure's unit;
    ``None`` where there is no effect or no spread.
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

    # A resampled mean of 0 in a ratio, or data too alike: seen below as not finite.
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        found = stats.bootstrap(
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
    low, high = float(found.low), float(found.high)
    return Interval(low, high) if math.isfinite(low) and math.isfinite(high) else NO_INTERVAL


def _wilson(successes: float, n: int) -> Interval:
    from scipy import stats

    found = stats.binomtest(round(successes), n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def _deviation(values: Sequence[float]) -> float:
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
