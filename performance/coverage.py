"""Measure how often intervals contain the true value, and how often gates pass wrongly.

Draws experiments from synthetic populations of pairs of scores, whose true difference is known, and
rules each as a gate would. The populations are as skewed as published scores of judges. Prints for
each population and number of cases, with standard errors of the simulation:

- coverage: the share of 95% intervals that contain the true difference (goal: 93 to 97%);
- false superiority: how often ``left > right`` passes if there is no difference (goal: at most 5%);
- false non-inferiority: how often ``left >= right - m`` passes if left is worse by exactly m (goal:
  at most 2.5%).

A value that misses its goal by more than two standard errors is marked; then the exit code is 3:

    python performance/coverage.py [--experiments 2000]
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from lek.benchmarks.benchmark import Scale
from lek.stats.gates import ALPHA
from lek.stats.intervals import difference_interval, sign_flip_p

POINTS = Scale(1, 10)
ZERO_ONE = Scale(0, 1, fraction=True)
SIZES = (20, 50, 200)
PAIRS = 20_000  # of a population of scores from 1 to 10
SEED = 7


class Population(NamedTuple):
    """Pairs of scores (n, 2) from which experiments are drawn with replacement."""

    name: str
    scale: Scale
    pairs: Any


class Rate(NamedTuple):
    """The share of experiments in which something happened, and its standard error."""

    share: float
    error: float

    @classmethod
    def of(cls, count: int, experiments: int) -> "Rate":
        """The rate of ``count`` in ``experiments``."""
        share = count / experiments
        return cls(share, math.sqrt(share * (1 - share) / experiments))

    def text(self, low: float, high: float) -> str:
        """The rate in per cent, marked if it is outside ``low`` to ``high``."""
        missed = self.share < low - 2 * self.error or self.share > high + 2 * self.error
        return f"{self.share:6.1%} ±{self.error:4.1%}{'*' if missed else ' '}"


def populations() -> Iterator[Population]:
    """The populations: four of scores from 1 to 10, three of scores that are 0 or 1."""
    rng = np.random.default_rng(SEED)

    def score(values: Any) -> Any:
        return np.clip(np.round(values), 1, 10)

    def some(share: float) -> Any:
        return rng.random(PAIRS) < share

    high = score(10 - rng.exponential(1.6, PAIRS))
    moved = np.where(some(0.5), score(high + rng.normal(0, 1.5, PAIRS)), high)
    yield Population("high, half equal", POINTS, np.stack([moved, high], axis=1))

    def extreme() -> Any:
        return np.where(some(0.6), 1, np.where(some(0.7), 10, rng.integers(2, 10, PAIRS)))

    right = extreme()
    left = np.where(some(0.6), right, extreme())
    yield Population("1 or 10, most equal", POINTS, np.stack([left, right], axis=1))

    low = score(1 + rng.exponential(1.5, PAIRS) + np.where(some(0.15), 6, 0))
    yield Population("low against high", POINTS, np.stack([low, high], axis=1))

    fallen = np.where(some(0.1), score(high - rng.integers(2, 7, PAIRS)), moved)
    yield Population("high, some much lower", POINTS, np.stack([fallen, high], axis=1))

    for both, only_left, only_right in ((25, 5, 15), (85, 2, 5), (10, 10, 30)):
        rows = [(1, 1)] * both + [(1, 0)] * only_left + [(0, 1)] * only_right
        rows += [(0, 0)] * (100 - len(rows))
        name = f"0/1: {only_left}% left, {only_right}% right only"
        yield Population(name, ZERO_ONE, np.array(rows, float))


def drawn(pairs: Any, n: int, experiments: int) -> Iterator[tuple[list[float], list[float]]]:
    """The scores of both sides in each experiment, of ``n`` pairs."""
    rng = np.random.default_rng(SEED + n)
    for _ in range(experiments):
        sample = pairs[rng.integers(0, len(pairs), n)]
        yield sample[:, 0].tolist(), sample[:, 1].tolist()


def count(
    population: Population, pairs: Any, n: int, experiments: int, happens: Callable[..., bool]
) -> Rate:
    """How often ``happens(left, right, low, high)`` is true in experiments on ``pairs``."""
    times = 0
    for left, right in drawn(pairs, n, experiments):
        low, high = difference_interval(left, right, population.scale)
        times += happens(left, right, low, high)
    return Rate.of(times, experiments)


def rates(population: Population, n: int, experiments: int) -> tuple[Rate, Rate, Rate]:
    """Coverage, false superiority and false non-inferiority."""
    pairs = population.pairs
    true = float((pairs[:, 0] - pairs[:, 1]).mean())
    # with each pair in both orders, the sides have the same distribution
    equal = np.concatenate([pairs, pairs[:, ::-1]])

    def superior(left: list[float], right: list[float], low: float, _: float) -> bool:
        differences = [x - y for x, y in zip(left, right, strict=True)]
        return low > 0 and sign_flip_p(differences, greater=True) < ALPHA

    return (
        count(population, pairs, n, experiments, lambda _l, _r, low, high: low <= true <= high),
        count(population, equal, n, experiments, superior),
        count(population, pairs, n, experiments, lambda _l, _r, low, _h: low >= true),
    )


def main() -> int:
    """Print the table; 3 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=2000, metavar="N")
    experiments = parser.parse_args().experiments
    head = f"{'population':<34}{'n':>5}{'coverage':>15}{'superior':>15}{'non-inferior':>15}"
    print(f"{experiments:,} experiments each; *: misses the goal by two standard errors\n")
    print(head)
    missed = False
    for population in populations():
        for n in SIZES:
            covered, superior, non_inferior = rates(population, n, experiments)
            cells = [
                covered.text(0.93, 0.97),
                superior.text(0, 0.05),
                non_inferior.text(0, 0.025),
            ]
            missed |= any("*" in cell for cell in cells)
            print(f"{population.name:<34}{n:>5}" + "".join(f"{cell:>15}" for cell in cells))
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
