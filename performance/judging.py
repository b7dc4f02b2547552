"""Measure how well judging overlaps with generation.

Two models of the sandbox answer; a judge on loopback takes a fixed time for each reply. Generation
alone (without an LLM judge), judging alone (of stored answers) and both together are measured in
the same run, in separate processes. Both together may take at most 1.25 times the longer of the
two, not counting start-up. Prints a table and exits with 3 if they take longer:

    python performance/judging.py [--runs 2] [--seconds 0.2]
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parent.parent
BOUND = 1.25
CASES = 40  # of each of four benchmarks; gsm8k is left out, since no model judges it
JUDGE = """
[judges]
default = "{kind}"
gsm8k = "exact"

[judges.openai]
model = "{model}"
base_url = "{url}/v1"
concurrency = 4
"""


class Handler(BaseHTTPRequestHandler):
    """A judge that gives every measure a 7, after ``seconds``."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        """Answer one chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.seconds)
        fence = re.search(r"\b[0-9a-f]{16}\b", body["messages"][-1]["content"])
        schema = body["response_format"]["json_schema"]["schema"]
        said = dict.fromkeys(schema["properties"], 7) | {"reasons": "read"}
        if fence is not None:  # the probe before the first question has none
            said["fence"] = fence[0]
        choice = {"index": 0, "finish_reason": "stop"}
        choice["message"] = {"role": "assistant", "content": json.dumps(said)}
        found = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        data = json.dumps(found | {"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def judge(seconds: float) -> Iterator[str]:
    """Yield the address of a judge that takes ``seconds`` for a reply."""
    Handler.seconds = seconds
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def project(directory: Path) -> None:
    """Copy the evaluation and the sandbox to ``directory``, so that its store is separate."""
    for name in ("evals", "sandbox"):
        shutil.copytree(ROOT / name, directory / name)
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy(ROOT / name, directory)


def evaluate(directory: Path, kind: str, model: str, url: str, cases: int) -> float:
    """Return the seconds that one `pytest evals` on two subjects takes."""
    profile = (ROOT / "evals" / "profiles" / "sandbox.toml").read_text()
    head, rest = profile[: profile.index("[judges]")], profile[profile.index("[gates]") :]
    table = JUDGE.format(kind=kind, model=model, url=url)
    (directory / "evals" / "profiles" / "sandbox.toml").write_text(f"{head}{table}\n{rest}")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "evals", "-q", "-k", "pretrained or base", "-m",
         "not reasoning",
         f"--lek-limit={cases}", "--lek-no-gates"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return time.perf_counter() - start


def measure(url: str, number: int) -> dict[str, float]:
    """Return the seconds of each way, less those of a session with nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        project(directory)
        found = {"generating": evaluate(directory, "none", "m", url, CASES)}
        found["judging"] = evaluate(directory, "openai", f"a{number}", url, CASES)
        idle = evaluate(directory, "openai", f"a{number}", url, CASES)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        project(directory)
        found["both"] = evaluate(directory, "openai", f"b{number}", url, CASES)
    return {what: max(seconds - idle, 0.01) for what, seconds in found.items()}


def main() -> int:
    """Measure and print a table; return 0 if the bound holds, else 3."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.1, help="that a reply takes")
    given = parser.parse_args()
    with judge(given.seconds) as url:
        runs = [measure(url, n) for n in range(given.runs)]
    best = {what: min(run[what] for run in runs) for what in runs[0]}
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for what, seconds in best.items():
        print(f"{what:<12}{seconds:>8.2f} s")
    longer = max(best["generating"], best["judging"])
    ratio = best["both"] / longer
    print(f"both against the longer one: {ratio:.2f} (bound {BOUND})")
    turns = best["both"] / (best["generating"] + best["judging"])
    print(f"both against one after the other: {turns:.2f}")
    return 0 if ratio <= BOUND else 3


if __name__ == "__main__":
    sys.exit(main())
