"""Compare `pytest evals` on N recorded cases with bare pytest on N trivial tests.

Both are measured in the same run, as CPU seconds and peak memory of child processes, the lowest of
several runs each. Prints a table for each N, with the CPU time of each stage, and of judging, which
is a part of the tests. Exits with 3 if a bound is exceeded at the largest N:

    python performance/overhead.py [--runs 1] [--sizes 5000 20000 100000]

Each answer is read by the exact judge and by the detector of degenerate text; the second ratio is
that of the harness without them.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SIZES = (5_000, 20_000, 100_000)
CPU, MEMORY = 1.8, 2.0  # at most, as multiples of bare pytest
NAMES = ("start", "collect", "tests", "finish")
STAGES = """
import os, time
import pytest

marks = []

def mark(name):
    marks.append(f"{name} {time.process_time()}")

@pytest.hookimpl(trylast=True)
def pytest_sessionstart(): mark("start")

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(): mark("collect")

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop():
    result = yield
    mark("tests")
    return result

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    mark("finish")
    with open(os.environ["STAGES"], "w") as file:
        file.write("\\n".join(marks))
"""
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
    """CPU seconds and peak memory in MB (10^6 bytes) of one process, and seconds by stage.

    ``judging``: the seconds of the stage "tests" in which answers were judged.
    """

    seconds: float
    megabytes: float
    stages: dict[str, float]
    judging: float = 0.0


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
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stages"]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as plugins:
        (Path(plugins) / "stages.py").write_text(STAGES)
        marks = Path(plugins) / "marks"
        path = os.pathsep.join([str(ROOT), plugins])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        environment["STAGES"] = str(marks)
        child = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
        marked = marks.read_text() if marks.exists() else ""
    if child.returncode not in (0, 1) or " passed" not in text:
        sys.exit(f"{' '.join(command)}\n{text}")
    stages, before = {}, 0.0
    for line in marked.splitlines():
        name, seconds = line.split()
        stages[name], before = float(seconds) - before, float(seconds)
    return Cost(usage.ru_utime + usage.ru_stime, megabytes(usage), stages)


def judging(run: Path) -> float:
    """The seconds that the judges of a run took."""
    with (run / "verdicts.jsonl").open() as lines:
        return float(sum(json.loads(line)["seconds"] for line in lines))


def megabytes(usage: resource.struct_rusage) -> float:
    """The peak memory of a process in MB (10^6 bytes)."""
    return usage.ru_maxrss * (1 if platform.system() == "Darwin" else 1024) / 1e6


def main() -> int:
    """Measure and print a table; return 0 if all bounds hold, else 3."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of each; the best one counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    given = parser.parse_args()
    print(
        f"{'':14}{'CPU s':>8}{'MB':>7}{'ms/case':>9}",
        *(f"{s:>8}" for s in (*NAMES, "judging")),
        sep="",
    )
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        tables = "".join(f'[[subjects]]\nname="{k}"\nrecorded="{v}"\n' for k, v in SUBJECTS.items())
        (base / "profile.toml").write_text(PROFILE.format(subjects=tables))
        ratios = (0.0, 0.0)
        for n in given.sizes:
            trivial = base / f"bare{n}"
            trivial.mkdir()
            (trivial / "pytest.ini").write_text("[pytest]\n")
            (trivial / "test_bare.py").write_text(BARE.format(n=n))
            make_data(base / f"data{n}", n)
            options = [f"--lek-profile={base}/profile.toml", f"--lek-data={base}/data{n}"]
            test = str(ROOT / "evals" / "test_gsm8k.py")
            bare, ours = [], []
            for i in range(given.runs):
                bare.append(measure(["test_bare.py"], trivial))
                run = base / f"out{n}-{i}"
                cost = measure([test, *options, f"--lek-out={run}"], ROOT)
                ours.append(cost._replace(judging=judging(run)))
            best = [min(costs, key=lambda c: c.seconds) for costs in (bare, ours)]
            for name, cost in zip(("bare pytest", "pytest evals"), best, strict=True):
                stages = "".join(f"{cost.stages[stage]:8.2f}" for stage in NAMES)
                print(
                    f"{name:14}{cost.seconds:8.2f}{cost.megabytes:7.0f}"
                    f"{1000 * cost.seconds / n:9.3f}{stages}{cost.judging:8.2f}"
                )
            ratios = (best[1].seconds / best[0].seconds, best[1].megabytes / best[0].megabytes)
            alone = (best[1].seconds - best[1].judging) / best[0].seconds
            print(
                f"{n:,} tests: {ratios[0]:.2f} times the CPU ({alone:.2f} without judging), "
                f"{ratios[1]:.2f} times the memory\n"
            )
    broken = ratios[0] > CPU or ratios[1] > MEMORY
    print(f"bounds: {CPU} and {MEMORY}{': BROKEN' if broken else ''}")
    return 3 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
