"""Means, 95% intervals, relative changes and p-values, computed with SciPy.

Means and mean paired differences have Student's t interval. Scores that are 0 or 1 have score
intervals instead: Wilson's (1927) for a proportion, and Tango's (1998) for the difference of two
paired proportions. A relative change has Fieller's interval (1954), the inversion of the paired
t-test. No interval has width 0, since equal values do not show that further values would be equal
too. SciPy is imported on first use.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from lek.benchmarks.benchmark import Scale

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


def mean_interval(values: Sequence[float], scale: Scale) -> Interval:
    """Return the 95% interval of the mean of ``values`` (n,), scores on ``scale``.

    Wilson's interval if all values are 0 or 1 on a 0-1 scale, otherwise Student's t, cut off at
    the ends of the scale. Fewer than two values give no interval.
    """
    if len(values) < 2:
        return NO_INTERVAL
    if scale.fraction and set(values) <= {0, 1}:
        return _wilson(sum(values), len(values))
    half = _half_width(values, scale)
    centre = mean(values)
    return Interval(max(scale.low, centre - half), min(scale.high, centre + half))


def difference_interval(left: Sequence[float], right: Sequence[float], scale: Scale) -> Interval:
    """Return the 95% interval of the mean difference of ``left`` (n,) and ``right`` (n,).

    The values are pairs of scores on ``scale``. Tango's interval if all are 0 or 1 on a 0-1 scale,
    otherwise Student's t on the differences. Fewer than two pairs give no interval.
    """
    if len(left) < 2:
        return NO_INTERVAL
    if scale.fraction and {*left, *right} <= {0, 1}:
        only_left = sum(x > y for x, y in zip(left, right, strict=True))
        only_right = sum(x < y for x, y in zip(left, right, strict=True))
        return _tango(only_left, only_right, len(left))
    differences = [x - y for x, y in zip(left, right, strict=True)]
    half, length = _half_width(differences, scale), scale.high - scale.low
    centre = mean(differences)
    return Interval(max(-length, centre - half), min(length, centre + half))


def relative_change(
    left: Sequence[float], right: Sequence[float], scale: Scale
) -> tuple[float, Interval] | None:
    """Return the relative change of the mean of ``left`` (n,) from that of ``right`` (n,).

    The change is a fraction, with its 95% interval. The values are pairs of scores on ``scale``.
    ``None`` without pairs, or if the mean of ``right`` is 0. There is no interval for a single
    pair, and none if the t interval of the mean of ``right`` contains 0. If the ratio is the same
    for all pairs, two further pairs give the interval a width: with ``left`` one tenth of the scale
    above and below its mean, or, of scores that are 0 or 1, those in which only one is 1.
    """
    if not left or mean(right) == 0:
        return None
    ratio = mean(left) / mean(right)
    if len(left) < 2:
        return ratio - 1, NO_INTERVAL
    residuals = [x - ratio * y for x, y in zip(left, right, strict=True)]
    if max(residuals) - min(residuals) < _EQUAL:
        if scale.binary:
            left, right = [*left, scale.high, scale.low], [*right, scale.low, scale.high]
        else:
            step = _step(scale)
            left = [*left, mean(left) + step, mean(left) - step]
            right = [*right, mean(right), mean(right)]
    return ratio - 1, _fieller(left, right)


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


def cases_needed(differences: Sequence[float], effect: float, half_width: float) -> int:
    """Return how many cases a 95% interval needs to exclude the margin with 80% power.

    ``effect``: the distance from the mean difference to the margin, above 0. ``half_width``: that
    from the mean difference to the end of its interval. Both are in the measure's unit. Uses the
    normal approximation. For equal differences, the number of cases of which the interval excludes
    the margin if all further differences are equal too.
    """
    z = _normal_quantile(0.5 + CONFIDENCE / 2)
    deviation = _deviation(differences)
    if deviation > _EQUAL:
        return math.ceil(((z + _normal_quantile(0.8)) * deviation / effect) ** 2)
    # the width is inversely proportional to n + z^2 (Tango), and nearly so for Student's t
    return math.ceil((len(differences) + z * z) * half_width / effect - z * z)


def _generator() -> Any:
    import numpy as np

    return np.random.default_rng(SEED)


def _wilson(successes: float, n: int) -> Interval:
    from scipy import stats

    interval = stats.binomtest(round(successes), n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def _tango(left: int, right: int, n: int) -> Interval:
    """Tango's interval from the numbers of pairs in which only one side is 1.

    The ends are the differences that the score test just does not reject (Tango 1998, eq. 9).
    """
    from scipy.optimize import brentq

    z, centre = _normal_quantile(0.5 + CONFIDENCE / 2), (left - right) / n

    def deviation(difference: float) -> float:
        """Standard deviation of ``left - right`` if the true difference is ``difference``."""
        # the likelihood of the probability of "right only" is largest at a root of a quadratic
        b = (2 * n - left + right) * difference - left - right
        c = -right * difference * (1 - difference)
        probability = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        return math.sqrt(max(0.0, n * (2 * probability + difference * (1 - difference))))

    def end(sign: int) -> float:
        if centre == sign:
            return centre
        # without pairs that differ, the deviation is 0 at the centre itself
        start = centre + sign * 1e-9
        return float(
            brentq(lambda d: left - right - n * d + sign * z * deviation(d), start, float(sign))
        )

    return Interval(end(-1), end(1))


def _fieller(left: Sequence[float], right: Sequence[float]) -> Interval:
    """The relative changes for which a paired t-test on ``left - ratio * right`` rejects nothing.

    No interval if these are not bounded. A mean of scores is not below 0, so neither is a ratio.
    """
    n, x, y = len(left), mean(left), mean(right)
    t2 = _t_quantile(n - 1) ** 2 / (n * (n - 1))
    xx = math.fsum((v - x) ** 2 for v in left) * t2
    yy = math.fsum((v - y) ** 2 for v in right) * t2
    xy = math.fsum((v - x) * (w - y) for v, w in zip(left, right, strict=True)) * t2
    a, b, c = y * y - yy, x * y - xy, x * x - xx
    if a <= 0:
        return NO_INTERVAL
    root = math.sqrt(max(0.0, b * b - a * c))
    return Interval(max(-1.0, (b - root) / a - 1), (b + root) / a - 1)


_EQUAL = 1e-9  # values that differ by less are equal; the differences of scores are rounded


def _half_width(values: Sequence[float], scale: Scale) -> float:
    """Half the width of Student's t interval of the mean of ``values``.

    It is at least the half width for equal values. That is the one which they have with two
    further values, one tenth of the scale above and below.
    """
    n = len(values)
    least = _t_quantile(n + 1) * _step(scale) * math.sqrt(2 / (n + 1) / (n + 2))
    return max(least, _t_quantile(n - 1) * _deviation(values) / math.sqrt(n))


def _step(scale: Scale) -> float:
    """A tenth of the scale."""
    return (scale.high - scale.low) / 10


def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def _normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _deviation(values: Sequence[float]) -> float:
    """The sample standard deviation."""
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1))


def _student_p(differences: Sequence[float], *, greater: bool) -> float:
    from scipy import stats

    if not _deviation(differences):
        centre = mean(differences)
        return float(not (centre > 0 if greater else centre < 0))
    side: Literal["greater", "less"] = "greater" if greater else "less"
    return float(stats.ttest_1samp(differences, 0.0, alternative=side).pvalue)
