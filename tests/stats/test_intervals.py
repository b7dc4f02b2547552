"""Intervals and p-values, compared with values computed independently of the tested functions."""

import itertools
import json
import math
import statistics

import pytest
from scipy import optimize, stats
from support.benchmarks import BENCHMARKS

from lek.benchmarks.benchmark import Scale
from lek.stats.intervals import (
    cases_needed,
    difference_interval,
    mean_interval,
    relative_change,
    sign_flip_p,
)
from lek.stats.metrics import metric, paired

DIFFERENCES = [2.0, -1.0, 3.0, 0.0, 1.0, 4.0, -2.0, 1.0, 2.0, 5.0, -1.0, 0.0]


POINTS = Scale(1, 10)
ZERO_ONE = Scale(0, 1, fraction=True)


def test_means_and_differences_have_student_intervals() -> None:
    # The 97.5% point of t with 11 degrees of freedom is 2.20099 (tables).
    half = 2.200985 * statistics.stdev(DIFFERENCES) / math.sqrt(12)
    centre = statistics.fmean(DIFFERENCES)
    expected = (pytest.approx(centre - half, abs=1e-5), pytest.approx(centre + half, abs=1e-5))
    zeros = [0.0] * 12
    assert difference_interval(DIFFERENCES, zeros, POINTS) == expected
    scores = [d + 5 for d in DIFFERENCES]
    low, high = mean_interval(scores, POINTS)
    assert (low, high) == (
        pytest.approx(centre + 5 - half, abs=1e-5),
        pytest.approx(centre + 5 + half, abs=1e-5),
    )


def test_intervals_of_means_end_at_the_ends_of_the_scale() -> None:
    low, high = mean_interval([10.0] * 9 + [4.0], POINTS)
    assert low is not None
    assert low < 9.4
    assert high == 10


@pytest.mark.parametrize("n", [2, 5, 50, 1000])
@pytest.mark.parametrize("value", [1.0, 5.5, 10.0])
def test_equal_values_have_an_interval_with_a_width(n: int, value: float) -> None:
    """It is the one that they have with two further values, 0.9 points above and below."""
    further = [0.0] * n + [0.9, -0.9]
    half = stats.t.ppf(0.975, n + 1) * statistics.stdev(further) / math.sqrt(n + 2)
    low, high = mean_interval([value] * n, POINTS)
    assert (low, high) == (
        pytest.approx(max(1, value - half)),
        pytest.approx(min(10, value + half)),
    )
    low, high = difference_interval([value] * n, [2.0] * n, POINTS)
    assert (low, high) == (
        pytest.approx(max(-9, value - 2 - half)),
        pytest.approx(min(9, value - 2 + half)),
    )


def test_nearly_equal_values_are_not_narrower_than_equal_ones() -> None:
    equal = mean_interval([5.0] * 30, POINTS)
    nearly = mean_interval([5.0] * 29 + [5.0001], POINTS)
    assert None not in (*equal, *nearly)
    width = (nearly.high or 0) - (nearly.low or 0)
    assert width == pytest.approx((equal.high or 0) - (equal.low or 0))


def score_statistic(left: int, right: int, n: int, difference: float) -> float:
    """Tango's score statistic, with the likelihood maximised numerically."""

    def minus_log_likelihood(p: float) -> float:
        probabilities = (p + difference, p, 1 - 2 * p - difference)
        counts = (left, right, n - left - right)
        return -sum(k * math.log(q) for k, q in zip(counts, probabilities, strict=True) if k)

    low, high = max(0.0, -difference), (1 - difference) / 2
    bounds = (low + 1e-12, high - 1e-12)
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    variance = n * (2 * found.x + difference * (1 - difference))
    return float((left - right - n * difference) / math.sqrt(variance))


@pytest.mark.parametrize(
    ("left", "right", "n"), [(12, 2, 50), (3, 1, 20), (1, 0, 30), (0, 7, 40), (20, 25, 200)]
)
def test_paired_proportions_have_tangos_interval(left: int, right: int, n: int) -> None:
    ours = [1.0] * left + [0.0] * right + [1.0] * (n - left - right)
    theirs = [0.0] * left + [1.0] * right + [1.0] * (n - left - right)
    low, high = difference_interval(ours, theirs, ZERO_ONE)
    assert low is not None
    assert high is not None
    assert score_statistic(left, right, n, low) == pytest.approx(1.959964, abs=1e-3)
    assert score_statistic(left, right, n, high) == pytest.approx(-1.959964, abs=1e-3)


def test_equal_answers_do_not_show_equal_accuracy() -> None:
    """No pair of 50 differs: z^2 / (n + z^2) is still possible on both sides."""
    z2 = 1.959963984540054**2
    end = pytest.approx(z2 / (50 + z2), abs=1e-6)
    right: list[float] = [1.0] * 30 + [0.0] * 20
    low, high = difference_interval(right, right, ZERO_ONE)
    assert (-(low or 0), high) == (end, end)


def test_proportions_may_differ_by_the_whole_scale() -> None:
    low, high = difference_interval([1.0] * 20, [0.0] * 20, ZERO_ONE)
    assert high == 1
    assert low is not None
    assert 0.6 < low < 1
    assert difference_interval([0.0] * 20, [1.0] * 20, ZERO_ONE) == (-1, pytest.approx(-low))


def test_sign_flip_counts_every_sign() -> None:
    observed = sum(DIFFERENCES)
    flips = itertools.product((1, -1), repeat=len(DIFFERENCES))
    sums = [sum(s * d for s, d in zip(f, DIFFERENCES, strict=True)) for f in flips]
    exact = sum(s >= observed for s in sums) / len(sums)
    assert sign_flip_p(DIFFERENCES, greater=True) == pytest.approx(exact)
    below = sum(s <= observed for s in sums) / len(sums)
    assert sign_flip_p(DIFFERENCES, greater=False) == pytest.approx(below)


def test_wilson_is_the_textbooks() -> None:
    z, n, p = 1.959963984540054, 50, 0.26
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scores = [1.0] * 13 + [0.0] * 37
    low, high = mean_interval(scores, ZERO_ONE)
    assert (low, high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert mean_interval([0.0] * 50, ZERO_ONE)[1] == pytest.approx(z * z / (50 + z * z))


def test_many_cases_use_student() -> None:
    # The 97.5% point of t with 999 degrees of freedom is 1.96234 (tables).
    values = [float(i % 10) for i in range(1000)]
    half = 1.962341 * statistics.stdev(values) / math.sqrt(1000)
    low, high = mean_interval(values, Scale(0, 9))
    assert (low, high) == (pytest.approx(4.5 - half, abs=1e-5), pytest.approx(4.5 + half, abs=1e-5))
    # For 999 degrees of freedom, P(T > 1.6464) is 0.05.
    step = 1.646380 * statistics.stdev(values) / math.sqrt(1000)
    assert sign_flip_p([v - 4.5 + step for v in values], greater=True) == pytest.approx(
        0.05, abs=1e-5
    )


@pytest.mark.parametrize("values", [[], [3.0]])
def test_too_little_data(values: list[float]) -> None:
    assert mean_interval(values, POINTS) == (None, None)
    assert difference_interval(values, values, POINTS) == (None, None)


def test_relative_change_has_fiellers_interval() -> None:
    """At its ends, a paired t-test just does not reject that the ratio is the end."""
    left = [2.0, 4.0, 6.0, 5.0, 3.0, 7.0]
    right = [1.0, 2.0, 3.0, 4.0, 3.0, 4.0]
    found = relative_change(left, right, POINTS)
    assert found is not None
    value, (low, high) = found
    assert value == pytest.approx(27 / 17 - 1)
    for end in (low, high):
        assert end is not None
        residuals = [x - (1 + end) * y for x, y in zip(left, right, strict=True)]
        assert stats.ttest_1samp(residuals, 0).pvalue == pytest.approx(0.05)


def test_relative_change_without_an_interval() -> None:
    assert relative_change([1.0], [0.0], ZERO_ONE) is None
    assert relative_change([], [], ZERO_ONE) is None
    assert relative_change([1.0], [2.0], POINTS) == (-0.5, (None, None))
    # the mean of the baseline may be 0: a value, but no interval
    assert relative_change([0.0, 1.0, 1.0], [1.0, 0.0, 0.0], ZERO_ONE) == (1.0, (None, None))


def test_relative_change_of_a_constant_ratio_has_a_width() -> None:
    found = relative_change([2.0, 4.0] * 10, [1.0, 2.0] * 10, POINTS)
    assert found is not None
    value, (low, high) = found
    assert value == 1
    assert low is not None
    assert high is not None
    assert low < 0.95
    assert high > 1.05


@pytest.mark.parametrize("n", [10, 50])
def test_relative_change_of_equal_answers_is_as_uncertain_as_the_difference(n: int) -> None:
    found = relative_change([1.0] * n, [1.0] * n, ZERO_ONE)
    assert found is not None
    value, (low, high) = found
    assert value == 0
    expected = difference_interval([1.0] * n, [1.0] * n, ZERO_ONE)
    assert low == pytest.approx(expected.low, rel=0.5)
    assert high == pytest.approx(expected.high, rel=0.5)


def test_cases_needed() -> None:
    deviation = statistics.stdev(DIFFERENCES)
    expected = math.ceil(((1.959964 + 0.841621) * deviation / 0.5) ** 2)
    assert cases_needed(DIFFERENCES, 0.5, 1.0) == expected


@pytest.mark.parametrize("scale", [POINTS, ZERO_ONE])
def test_cases_needed_if_all_differences_are_equal(scale: Scale) -> None:
    def half_width(n: int) -> float:
        return difference_interval([1.0] * n, [1.0] * n, scale).high or 0

    effect = half_width(10) / 3
    needed = cases_needed([0.0] * 10, effect, half_width(10))
    assert half_width(needed + 1) < effect < half_width(round(0.8 * needed))


TRUTHFULNESS = BENCHMARKS["truthfulqa"]["truthfulness"]


def test_metrics_count_what_was_not_scored() -> None:
    mine = {"a": 4.0, "b": None, "c": 8.0, "d": 6.0}
    base = {"a": 2.0, "b": 3.0, "c": None, "d": 3.0}
    found = metric("lek", "truthfulqa", TRUTHFULNESS, mine, ("base", base))
    assert (found.value, found.n, found.unscored) == (6.0, 3, 1)
    assert found.change is not None
    assert (found.change.value, found.change.n) == (1.0, 2)
    assert paired(mine, base) == ([4.0, 6.0], [2.0, 3.0])
    none = metric("lek", "truthfulqa", TRUTHFULNESS, {"a": None}, None)
    assert (none.value, none.low, none.high, none.n, none.unscored) == (None, None, None, 0, 1)
    assert json.loads(none.to_json())["value"] is None
