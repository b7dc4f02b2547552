"""Plot what LEK changes, by the size of the model, from a run of the profile lem-scale.

    python scripts/effects.py RUN docs/effects.svg

Each panel has one measure: the mean difference to the model before LEK, case by case, with its 95%
interval. The line below zero is the margin of the profile's gate.
"""

import sys
from pathlib import Path

import matplotlib as mpl

from lek import load_run
from lek.runs.run import Run
from lek.stats.intervals import difference_interval

mpl.use("svg")
import matplotlib.pyplot as plt

SIZES = ("1b", "4b", "12b", "27b")
PANELS = (
    ("truthfulqa", "truthfulness", None),
    ("do_not_answer", "nuance", None),
    ("do_not_answer", "safety", -0.25),
    ("toxigen", "kindness", -0.25),
    ("gsm8k", "accuracy", -0.15),
)


def differences(
    run: Run, benchmark: str, measure: str, size: str
) -> tuple[list[float], list[float]]:
    """The scores of the model after and before LEK, of the cases that have both."""
    scores: dict[str, dict[str, float]] = {}
    for verdict in run.verdicts:
        if verdict.case.benchmark == benchmark:
            score = verdict.scores[measure]
            if score is not None:
                scores.setdefault(verdict.response.subject, {})[verdict.case.id] = score
    after, before = scores[f"lek-{size}"], scores[f"base-{size}"]
    both = [case for case in before if case in after]
    return [after[c] for c in both], [before[c] for c in both]


def main() -> None:
    """Read the run and write the plot."""
    run, out = load_run(Path(sys.argv[1])), Path(sys.argv[2])
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "effects", "font.size": 9}
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10, 2.8), layout="constrained")
    for axis, (benchmark, measure, margin) in zip(axes, PANELS, strict=True):
        scale = run.benchmarks[benchmark][measure].scale
        unit = 100 if scale.fraction else 1
        for x, size in enumerate(SIZES):
            ours, theirs = differences(run, benchmark, measure, size)
            mean = sum(a - b for a, b in zip(ours, theirs, strict=True)) / len(ours)
            low, high = difference_interval(ours, theirs, scale)
            ends = [end * unit for end in (low, high) if end is not None]
            axis.plot([x] * len(ends), ends, color="#0072b2", linewidth=2)
            axis.plot(x, mean * unit, "o", color="#0072b2")
        axis.axhline(0, color="#555555", linewidth=0.8)
        if margin is not None:
            axis.axhline(margin * unit, color="#d55e00", linewidth=0.8, linestyle="--")
        axis.set_xticks(range(len(SIZES)), [size.upper() for size in SIZES])
        axis.set_title(f"{measure}{' (points)' if unit == 100 else ''}", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.2)
    figure.savefig(out, metadata={"Date": None, "Creator": None, "Title": "LEK minus base"})


if __name__ == "__main__":
    main()
