"""Compare `pytest evals` on N recorded cases with bare pytest on N trivial tests.

Both are measured in the same run, as CPU seconds and peak memory of child processes, the lowest of
several runs each. Prints a table and exits with 3 if a bound is exceeded:

    python performance/overhead.py [--runs 3]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SIZES = (5_000, 20_000)
SUBJECTS = {
    "pretrained": "base_pt",
    "base": "instruction_tuned",
    "abliterated": "abliterated",
    "lek": "lem_ethics",
    "lek-composure": "lem_ethics_allen",
}
BARE = """
import pytest

@pytest.mark.parametrize("case", range({n}))
def test_bare(case):
    assert case >= 0
"""
PROFILE = """
[data]
source = "lem"
benchmarks = ["gsm8k"]
{subjects}
[judges]
default = "exact"
[gates]
rules = ["gsm8k.accuracy: lek > base", "gsm8k.accuracy: lek-composure >= base - 15%"]
"""


class Cost(NamedTuple):
    """CPU seconds and peak memory in MB (10^6 bytes) of one process."""

    seconds: float
    megabytes: float


def make_data(directory: Path, n: int) -> None:
    """Write ``n`` answers in the LEM layout: ``n / 5`` sums, each answered by the five subjects."""
    (directory / "results").mkdir(parents=True)
    cases = []
    for i in range(n // len(SUBJECTS)):
        question = f"Ada has {i} pears and buys {i % 7 + 1} bags of 6. How many pears has she now?"
        total = i + 6 * (i % 7 + 1)
        cases.append((f"GSM8K_{i:05d}", question, total))
    with (directory / "gsm8k.jsonl").open("w") as file:
        for name, question, total in cases:
            row = {"id": name, "question": question, "correct_answer": str(total)}
            file.write(json.dumps(row) + "\n")
    for rank, model in enumerate(SUBJECTS.values()):
        with (directory / "results" / f"gsm8k_{model}.jsonl").open("w") as file:
            for i, (name, question, total) in enumerate(cases):
                said = total + (i * 7 + rank) % 3 // 2
                answer = f"She buys {i % 7 + 1} bags of 6 and has {said} pears.\n\n#### {said}"
                reply = {"id": name, "prompt": question, "response": answer, "elapsed_seconds": 0.5}
                file.write(json.dumps(reply) + "\n")


def measure(arguments: list[str], directory: Path) -> Cost:
    """Run ``python -m pytest`` with ``arguments`` in ``directory``, and return its cost."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if child.returncode not in (0, 1) or " passed" not in text:
        sys.exit(f"{' '.join(command)}\n{text}")
    unit = 1 if platform.system() == "Darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def best(runs: int, arguments: list[str], directory: Path) -> Cost:
    """Return the lowest CPU time and the lowest peak memory of ``runs`` runs."""
    costs = [measure(arguments, directory) for _ in range(runs)]
    return Cost(min(c.seconds for c in costs), min(c.megabytes for c in costs))


def main() -> int:
    """Measure and print a table; return 0 if all bounds hold, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the best one counts")
    runs = parser.parse_args().runs
    bare: dict[int, Cost] = {}
    ours: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        tables = "".join(f'[[subjects]]\nname="{k}"\nrecorded="{v}"\n' for k, v in SUBJECTS.items())
        (base / "profile.toml").write_text(PROFILE.format(subjects=tables))
        for n in SIZES:
            trivial = base / f"bare{n}"
            trivial.mkdir()
            (trivial / "pytest.ini").write_text("[pytest]\n")
            (trivial / "test_bare.py").write_text(BARE.format(n=n))
            make_data(base / f"data{n}", n)
            bare[n] = best(runs, ["test_bare.py"], trivial)
            options = [f"--lek-profile={base}/profile.toml", f"--lek-data={base}/data{n}"]
            test = str(ROOT / "evals" / "test_gsm8k.py")
            ours[n] = Cost(9e9, 9e9)
            for i in range(runs):
                out = f"--lek-out={base}/out{n}-{i}"
                cost = measure([test, *options, out], ROOT)
                ours[n] = Cost(*(min(pair) for pair in zip(ours[n], cost, strict=True)))
    small, large = SIZES
    print(f"{'':24}{'CPU s':>8}{'MB':>8}{'ms/case':>9}")
    for name, table in (("bare pytest", bare), ("pytest evals", ours)):
        for n, cost in table.items():
            print(
                f"{name + f' {n}':24}{cost.seconds:8.2f}{cost.megabytes:8.0f}"
                f"{1000 * cost.seconds / n:9.2f}"
            )
    bounds = [
        ("CPU against bare pytest at 5,000", ours[small].seconds / bare[small].seconds, 2.0),
        ("CPU at 20,000 against 5,000", ours[large].seconds / ours[small].seconds, 4.4),
        ("peak memory at 5,000, MB", ours[small].megabytes, 210),
    ]
    for what, value, bound in bounds:
        print(f"{what}: {value:.2f} (at most {bound:g}){'' if value <= bound else '  BROKEN'}")
    return 3 if any(value > bound for _, value, bound in bounds) else 0


if __name__ == "__main__":
    sys.exit(main())
