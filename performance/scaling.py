"""Measure how the time of generation grows with cases, batch size and length, and plot it.

    python performance/scaling.py MODEL docs/scaling.svg [--quick]

MODEL is a directory with weights. Each point is the harness's time for greedy answers to prompts of
the sandbox, from messages to stored answers, in one process.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from generation import FORM, Result, harness, messages

from lek.generation.mlx import MlxBackend
from lek.models.machine import import_mlx_lm

CASES = (16, 32, 64, 128, 256)
BATCHES = (4, 8, 16, 32, 64, 128)
LENGTHS = (8, 16, 32, 64, 128)


class Curve(NamedTuple):
    """The results by the value of one setting."""

    name: str
    values: tuple[int, ...]
    results: list[Result]


def main() -> int:
    """Measure three curves, print them, and write the plot."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("model", type=Path)
    options.add_argument("plot", type=Path)
    options.add_argument("--quick", action="store_true", help="a quarter of the cases")
    given = options.parse_args()
    import_mlx_lm()
    backend = MlxBackend.open(given.model, FORM)
    part = 4 if given.quick else 1
    with tempfile.TemporaryDirectory() as scratch:

        def run(cases: int, batch: int, tokens: int) -> Result:
            chats = list(islice(cycle(messages()), cases))
            return harness(backend, given.model, Path(scratch), chats, tokens, batch)

        run(8, 8, 8)  # what is computed once
        by_cases = tuple(n // part for n in CASES)
        length = "tokens per answer, at most (64 cases)"
        curves = [
            measure("cases", by_cases, lambda n: run(n, 128, 32)),
            measure("batch size (128 cases)", BATCHES, lambda n: run(128 // part, n, 32)),
            measure(length, LENGTHS, lambda n: run(64 // part, 64, n)),
        ]
    plot(curves, given.plot)
    return 0


def measure(name: str, values: tuple[int, ...], run: Callable[[int], Result]) -> Curve:
    """The curve of ``run`` over ``values``; prints it."""
    results = []
    for value in values:
        results.append(run(value))
        seconds, speed = results[-1].seconds, results[-1].speed
        print(f"{name} {value}: {seconds:.1f} s, {speed:.0f} tokens per second", flush=True)
    return Curve(name, values, results)


def plot(curves: list[Curve], path: Path) -> None:
    """Write a panel for each curve: seconds, and tokens per second, by the value."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.size": 9}):
        figure = Figure(figsize=(10, 3), layout="constrained")
        for axes, curve in zip(figure.subplots(1, len(curves)), curves, strict=True):
            seconds = [result.seconds for result in curve.results]
            axes.plot(curve.values, seconds, "o-", color="#0072b2", label="seconds")
            axes.set(xlabel=curve.name, ylabel="seconds", xscale="log", ylim=(0, None))
            axes.set_xticks(curve.values, [str(value) for value in curve.values], minor=False)
            axes.minorticks_off()
            right = axes.twinx()
            speeds = [result.speed for result in curve.results]
            right.plot(curve.values, speeds, "s--", color="#d55e00", label="tokens per second")
            right.set(ylabel="tokens per second", ylim=(0, None))
        lines = [*axes.get_lines(), *right.get_lines()]
        figure.legend(handles=lines, loc="outside upper center", ncols=2, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
