"""Intervals and p-values, compared with values computed independently of the tested functions."""

import itertools
import json
import math
import statistics

import numpy as np
import pytest
from support.benchmarks import BENCHMARKS

from lek.stats.intervals import MANY, cases_needed, mean_interval, relative_change, sign_flip_p
from lek.stats.metrics import metric, paired

DIFFERENCES = [2.0, -1.0, 3.0, 0.0, 1.0, 4.0, -2.0, 1.0, 2.0, 5.0, -1.0, 0.0]


def bca_by_hand(x: np.ndarray, resamples: int = 200_000) -> tuple[float, float]:
    """Efron's BCa interval by its definition, with other random numbers than the tested code."""
    rng = np.random.default_rng(99)
    means = x[rng.integers(0, len(x), (resamples, len(x)))].mean(axis=1)
    normal = statistics.NormalDist()
    below = (np.sum(means < x.mean()) + np.sum(means <= x.mean())) / (2 * resamples)
    z0 = normal.inv_cdf(float(below))
    jack = np.array([np.delete(x, i).mean() for i in range(len(x))])
    d = jack.mean() - jack
    a = float((d**3).sum() / (6 * (d**2).sum() ** 1.5))
    ends = []
    for q in (0.025, 0.975):
        z = z0 + normal.inv_cdf(q)
        ends.append(float(np.quantile(means, normal.cdf(z0 + z / (1 - a * z)))))
    return ends[0], ends[1]


def test_the_bootstrap_is_bca() -> None:
    low, high = mean_interval(DIFFERENCES)
    by_hand = bca_by_hand(np.array(DIFFERENCES))
    assert low == pytest.approx(by_hand[0], abs=0.09)
    assert high == pytest.approx(by_hand[1], abs=0.09)
    skewed = [1.0] * 15 + [10.0] * 3
    low, high = mean_interval(skewed)
    by_hand = bca_by_hand(np.array(skewed))
    assert (low, high) == (pytest.approx(by_hand[0], abs=0.2), pytest.approx(by_hand[1], abs=0.2))


def test_the_bootstrap_is_seeded() -> None:
    assert mean_interval(DIFFERENCES) == mean_interval(list(DIFFERENCES))


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
    low, high = mean_interval(scores, proportion=True)
    assert (low, high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert mean_interval([0.0] * 50, proportion=True)[1] == pytest.approx(z * z / (50 + z * z))


def test_many_cases_use_student() -> None:
    # The 97.5% point of t with 999 degrees of freedom is 1.96234 (tables).
    values = [float(i % 10) for i in range(1000)]
    half = 1.962341 * statistics.stdev(values) / math.sqrt(1000)
    low, high = mean_interval(values)
    assert (low, high) == (pytest.approx(4.5 - half, abs=1e-5), pytest.approx(4.5 + half, abs=1e-5))
    # For 999 degrees of freedom, P(T > 1.6464) is 0.05.
    step = 1.646380 * statistics.stdev(values) / math.sqrt(1000)
    assert sign_flip_p([v - 4.5 + step for v in values], greater=True) == pytest.approx(
        0.05, abs=1e-5
    )


def test_student_and_bootstrap_agree_at_the_border() -> None:
    rng = np.random.default_rng(5)
    values = [float(v) for v in rng.integers(1, 11, MANY + 1)]
    student, bootstrap = mean_interval(values), mean_interval(values[:-1])
    assert student == (pytest.approx(bootstrap[0], abs=0.03), pytest.approx(bootstrap[1], abs=0.03))


@pytest.mark.parametrize(
    ("values", "expected"), [([], (None, None)), ([3.0], (None, None)), ([3.0, 3.0], (3.0, 3.0))]
)
def test_too_little_data(values: list[float], expected: tuple[float | None, float | None]) -> None:
    assert mean_interval(values) == expected


def test_relative_change() -> None:
    left, right = [2.0, 4.0, 6.0, 5.0], [1.0, 2.0, 3.0, 4.0]
    found = relative_change(left, right)
    assert found is not None
    value, (low, high) = found
    assert value == pytest.approx(17 / 10 - 1)
    assert low is not None
    assert high is not None
    assert low < value < high
    assert relative_change([1.0], [0.0]) is None
    assert relative_change([], []) is None
    assert relative_change([2.0, 4.0], [1.0, 2.0]) == (1.0, (1.0, 1.0))
    # the baseline can be 0 in a resample: a value, but no interval
    assert relative_change([0.0, 1.0, 1.0], [1.0, 0.0, 0.0]) == (1.0, (None, None))


def test_cases_needed() -> None:
    deviation = statistics.stdev(DIFFERENCES)
    expected = math.ceil(((1.959964 + 0.841621) * deviation / 0.5) ** 2)
    assert cases_needed(DIFFERENCES, 0.5) == expected
    assert cases_needed(DIFFERENCES, 0.0) is None
    assert cases_needed([1.0, 1.0], 0.5) is None


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
