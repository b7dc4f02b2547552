"""Measure what the idle plugin adds to the start of pytest, in a repository that does not use it.

Both are measured in the same run, in turn, as CPU seconds of child processes: pytest on one trivial
test with the installed plugin, and the same with ``-p no:lek``. Prints the median of the paired
differences and exits with 3 if it exceeds the bound:

    python performance/startup.py [--pairs 20]
"""

import argparse
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median, quantiles

from overhead import measure

BOUND = 40.0  # ms


def main() -> int:
    """Measure and print the difference; return 0 if the bound holds, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20, help="measurements of each (at least 2)")
    pairs = parser.parse_args().pairs
    if not any(point.name == "lek" for point in entry_points(group="pytest11")):
        sys.exit("the plugin is not installed; run `pip install -e .` first")
    idle, without = [], []
    with tempfile.TemporaryDirectory() as scratch:
        repository = Path(scratch)
        (repository / "pytest.ini").write_text("[pytest]\n")
        (repository / "test_trivial.py").write_text("def test_trivial(): pass\n")
        for _ in range(pairs):
            idle.append(1000 * measure(["test_trivial.py"], repository).seconds)
            without.append(1000 * measure(["test_trivial.py", "-p", "no:lek"], repository).seconds)
    differences = [a - b for a, b in zip(idle, without, strict=True)]
    low, _, high = quantiles(differences, n=4)
    value = median(differences)
    print(
        f"pytest -p no:lek: {median(without):.0f} ms CPU; with the idle plugin: {median(idle):.0f}"
    )
    print(
        f"difference: {value:.1f} ms (quartiles {low:.1f} to {high:.1f}; at most {BOUND:g})"
        f"{'' if value <= BOUND else '  BROKEN'}"
    )
    return 0 if value <= BOUND else 3


if __name__ == "__main__":
    sys.exit(main())
