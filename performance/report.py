"""Measure the HTML report of a large run in a real browser.

    python performance/report.py [--cases 20000] [--characters 1500]

Evaluates recorded answers of five subjects, of English words at random, twice: without and with
--html. Prints what the report costs, as a share of the run without it, and what it is like to use:
the size of the file against the gzipped texts, the seconds until the first screen is painted, and
milliseconds to filter, to search all texts, and per frame while scrolling. Exits with 3 if a bound
is exceeded. Needs Chromium and `pip install playwright`.
"""

import argparse
import gzip
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from overhead import PROFILE, ROOT, SUBJECTS, Cost, measure

from lek.text.sentences import FUNCTION

SHARE = 0.15  # of the CPU of the run, at most, to write the report
MEMORY = 1.3  # times that of the run without it, at most
SIZE, MORE = 1.3, 2_000_000  # the file: at most so many times the gzipped texts, and more bytes
FIRST, FILTER, FRAME = 2_000, 300, 100  # milliseconds, at most
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def make_data(directory: Path, cases: int, characters: int) -> None:
    """Write ``cases`` questions, and an answer of about ``characters`` to each of each subject."""
    source = random.Random(0)  # noqa: S311 - texts to measure with
    words = sorted(FUNCTION)
    words += ["".join(source.choices("aeioubcdfglmnprst", k=k % 8 + 3)) for k in range(4_000)]
    weights = [1 / (rank + 2) for rank in range(len(words))]  # Zipf's law
    (directory / "results").mkdir(parents=True)
    with (directory / "gsm8k.jsonl").open("w") as file:
        for n in range(cases):
            question = f"{' '.join(source.choices(words, weights, k=20))}. How many are {n} and 6?"
            row = {"id": f"C{n:05d}", "question": question, "correct_answer": str(n + 6)}
            file.write(json.dumps(row) + "\n")
    for rank, model in enumerate(SUBJECTS.values()):
        with (directory / "results" / f"gsm8k_{model}.jsonl").open("w") as file:
            for n in range(cases):
                text = " ".join(source.choices(words, weights, k=characters // 5))[:characters]
                answer = f"{text}.\n\n#### {n + 6 + (n * 7 + rank) % 3 // 2}"
                file.write(json.dumps({"id": f"C{n:05d}", "response": answer}) + "\n")


def evaluate(base: Path, out: Path, *options: str) -> Cost:
    """The cost of an evaluation of the data in ``base``."""
    test = str(ROOT / "evals" / "test_gsm8k.py")
    given = [f"--lek-profile={base}/profile.toml", f"--lek-data={base}/data", f"--lek-out={out}"]
    return measure([test, *given, *options], ROOT)


def texts_of(run: Path) -> bytes:
    """All texts of a run: prompts once per case, answers and reasons."""
    parts: dict[str, list[str]] = {}
    with (run / "verdicts.jsonl").open() as lines:
        for verdict in map(json.loads, lines):
            of_case = parts.setdefault(verdict["case"]["id"], [verdict["case"]["prompt"]])
            of_case += [verdict["response"]["text"], verdict["reason"] or ""]
    return "\n".join(text for case in parts.values() for text in case).encode()


ACT = """async ([label, value]) => {
  const settled = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const labels = [...document.querySelectorAll(".lek-tools label")];
  const field = labels.find((l) => l.firstChild.textContent === label).lastChild;
  const status = document.querySelector("[role=status]");
  const start = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await settled();
  while (status.textContent.includes("…")) await settled();
  return performance.now() - start;
}"""
SCROLL = """async () => {
  const list = document.querySelector(".lek-list");
  const times = [];
  for (let i = 0; i < 120; i += 1) {
    const start = performance.now();
    list.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(0.95 * times.length)];
}"""


def use(file: Path) -> dict[str, float]:
    """Milliseconds for each action in the browser."""
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(300_000)
        start = time.perf_counter()
        page.goto(file.as_uri(), wait_until="commit")
        page.wait_for_function(
            "() => performance.getEntriesByName('first-contentful-paint').length"
        )
        found["first screen"] = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        page.locator(".lek-list tbody a").first.wait_for()
        found["cases"] = 1000 * (time.perf_counter() - start)

        def act(label: str, value: str) -> float:
            return float(page.evaluate(ACT, [label, value]))

        found["filter"] = act("show", "changed")
        found["sort"] = act("sort by", "worse")
        act("show", "all")
        found["first search"] = act("search", "are 77 and")
        found["search"] = act("search", "zebra")
        act("search", "")
        found["frame"] = page.evaluate(SCROLL)
        start = time.perf_counter()
        page.locator(".lek-list tbody a").first.click()
        page.locator(".lek-answer").first.wait_for()
        found["open a case"] = 1000 * (time.perf_counter() - start)
        browser.close()
    return found


def main() -> int:
    """Measure, print, and return 0 if all bounds hold, else 3."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--characters", type=int, default=1_500)
    given = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        tables = "".join(f'[[subjects]]\nname="{k}"\nrecorded="{v}"\n' for k, v in SUBJECTS.items())
        (base / "profile.toml").write_text(PROFILE.format(subjects=tables))
        make_data(base / "data", given.cases, given.characters)
        file = base / "report.html"
        plain = evaluate(base, base / "plain")
        cost = evaluate(base, base / "run", f"--html={file}", "--self-contained-html")
        share = (cost.seconds - plain.seconds) / plain.seconds
        memory = cost.megabytes / plain.megabytes
        size, texts = file.stat().st_size, texts_of(base / "run")
        packed = len(gzip.compress(texts, 9))
        print(
            f"{given.cases:,} cases x {len(SUBJECTS)} subjects, {len(texts) / 1e6:.0f} MB of texts"
        )
        print(f"run: {plain.seconds:.0f} s, {plain.megabytes:,.0f} MB")
        print(f"report: {share:+.1%} of the CPU, {memory:.2f} times the memory")
        print(f"file: {size / 1e6:.1f} MB, the gzipped texts {packed / 1e6:.1f} MB")
        found = use(file)
    for name, milliseconds in found.items():
        print(f"{name}: {milliseconds:,.0f} ms")
    held = share <= SHARE and memory <= MEMORY and size <= SIZE * packed + MORE
    held &= found["first screen"] <= FIRST and found["frame"] <= FRAME
    held &= max(found[name] for name in ("filter", "sort", "search")) <= FILTER
    print("all bounds hold" if held else "a bound is exceeded")
    return 0 if held else 3


if __name__ == "__main__":
    sys.exit(main())
