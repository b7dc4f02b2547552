"""Measure how the time of generation grows with cases, batch size and length, and plot it.

    python performance/scaling.py MODEL docs/scaling.svg [--quick]

MODEL is a directory with weights. Each point is the harness's time for greedy answers to prompts of
the sandbox, from messages to stored answers, in one process.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from generation import FORM, ROOT, Messages, messages

from lek.generation.mlx import MlxBackend
from lek.generation.responses import SubjectResponses
from lek.models.machine import import_mlx_lm
from lek.profile.loading import load as load_profile
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

CASES = (16, 32, 64, 128, 256)
BATCHES = (4, 8, 16, 32, 64, 128)
LENGTHS = (8, 16, 32, 64, 128)


class Curve(NamedTuple):
    """Seconds by the value of one setting, and tokens that were generated."""

    name: str
    values: tuple[int, ...]
    seconds: list[float]
    tokens: list[int]


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
    asked = given.model.resolve()

    def run(cases: int, batch: int, tokens: int) -> tuple[float, int]:
        return generate(backend, asked, list(islice(cycle(messages()), cases)), batch, tokens)

    run(8, 8, 8)  # what is computed once
    curves = [
        measure("cases", tuple(n // part for n in CASES), lambda n: run(n, 128, 32)),
        measure("batch size (128 cases)", BATCHES, lambda n: run(128 // part, n, 32)),
        measure("tokens per answer, at most (64 cases)", LENGTHS, lambda n: run(64 // part, 64, n)),
    ]
    plot(curves, given.plot)
    return 0


def measure(name: str, values: tuple[int, ...], run: Callable[[int], tuple[float, int]]) -> Curve:
    """The curve of ``run`` over ``values``; prints it."""
    seconds, tokens = [], []
    for value in values:
        took, generated = run(value)
        seconds.append(took)
        tokens.append(generated)
        print(f"{name} {value}: {took:.1f} s, {generated / took:.0f} tokens per second", flush=True)
    return Curve(name, values, seconds, tokens)


def generate(
    backend: MlxBackend, model: Path, chats: list[Messages], batch: int, tokens: int
) -> tuple[float, int]:
    """The seconds that the answers to ``chats`` took, and the tokens in them."""
    prompts = {f"{i}": chat for i, chat in enumerate(chats)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.toml"
        path.write_text(
            '[data]\nsource = "path"\ndir = "."\n'
            f"[decoding]\nmax_tokens = {tokens}\nbatch_size = {batch}\n"
            f"[[subjects]]\nname = 'base'\nmodel = {json.dumps(str(model))}\n"
            "dequantize = true\n[judges]\ndefault = 'none'\ngsm8k = 'exact'\n"
        )
        workspace = Workspace(Path(folder), Silent())
        generator = SubjectResponses(load_profile(path), ROOT, workspace).generator
        generator.models.load("base", backend)
        start = time.perf_counter()
        found = generator.ask("base", "benchmark", prompts)
        seconds = time.perf_counter() - start
    return seconds, sum(response.completion_tokens or 0 for response in found.values())


def plot(curves: list[Curve], path: Path) -> None:
    """Write a panel for each curve: seconds, and tokens per second, by the value."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.size": 9}):
        figure = Figure(figsize=(10, 3), layout="constrained")
        for axes, curve in zip(figure.subplots(1, len(curves)), curves, strict=True):
            axes.plot(curve.values, curve.seconds, "o-", color="#0072b2", label="seconds")
            axes.set(xlabel=curve.name, ylabel="seconds", xscale="log", ylim=(0, None))
            axes.set_xticks(curve.values, [str(value) for value in curve.values], minor=False)
            axes.minorticks_off()
            speeds = [n / s for n, s in zip(curve.tokens, curve.seconds, strict=True)]
            right = axes.twinx()
            right.plot(curve.values, speeds, "s--", color="#d55e00", label="tokens per second")
            right.set(ylabel="tokens per second", ylim=(0, None))
        lines = [*axes.get_lines(), *right.get_lines()]
        figure.legend(handles=lines, loc="outside upper center", ncols=2, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
