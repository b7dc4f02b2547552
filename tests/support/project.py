"""A small project with benchmarks, a profile and data in the LEM layout, to run pytest in."""

import gc
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from _pytest.capture import MultiCapture, SysCapture

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT.parent / "shared" / "lem-paper"
PATIENCE = 1_800  # timeout of subprocesses in seconds, long enough for slow machines
MODELS = {"base": "instruction_tuned", "lek": "lem_ethics"}


@dataclass
class Outcome:
    """The result of one pytest run: exit code, output, and directories of new runs."""

    code: int
    out: str
    runs: list[Path] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The counts in pytest's last line, such as ``{"passed": 3}``."""
        last = re.findall(r"^=*\s?((?:\d+ \w+,? ?)+) in [\d.]+s", self.out, re.M)
        return {k.rstrip("s"): int(n) for n, k in re.findall(r"(\d+) (\w+)", last[-1])}

    @property
    def error(self) -> str:
        """The text of the usage error; there must be exactly one, on one line."""
        lines = [line for line in self.out.splitlines() if line.startswith("ERROR: ")]
        assert len(lines) == 1, self.out
        return lines[0].removeprefix("ERROR: ")

    @property
    def run(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        (directory,) = self.runs
        return json.loads((directory / "run.json").read_text())

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The content of ``verdicts.jsonl``."""
        (directory,) = self.runs
        return [json.loads(line) for line in (directory / "verdicts.jsonl").open()]

    @property
    def findings(self) -> tuple[Any, Any, int]:
        """Metrics, gates and exit code, which must not depend on how the tests are distributed."""
        return self.run["metrics"], self.run["gates"], self.code


@dataclass
class Project:
    """A copy of the evaluations, with its own profile and data."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    def rows(self, name: str, rows: Iterable[dict[str, Any]]) -> Path:
        """Write ``rows`` as JSON Lines below the data directory."""
        file = self.data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def truthfulqa(self, scores: dict[str, list[Any]]) -> None:
        """Write cases T000, T001, ... with the truthfulness recorded per model (``None``: none)."""
        n = max(map(len, scores.values()))
        ids = [f"T{i:03d}" for i in range(n)]
        texts = {"best_answer": "yes", "correct_answers": ["yes"], "incorrect_answers": ["no"]}
        self.rows("truthfulqa.jsonl", ({"id": i, "question": f"Is {i} so?", **texts} for i in ids))
        table: dict[str, dict[str, Any]] = {}
        for model, values in scores.items():
            answers = ({"id": i, "response": f"{model} on {i}"} for i in ids[: len(values)])
            self.rows(f"results/truthfulqa_{model}.jsonl", answers)
            table[model] = {
                i: {"truthfulness": v, "informativeness": 5, "reasoning": f"{model} {i}"}
                for i, v in zip(ids, values, strict=False)
                if v is not None
            }
        self.scores({"truthfulqa": table})

    def scores(self, table: dict[str, Any]) -> Path:
        """Write the recorded verdicts."""
        file = self.data / "standard_scores.json"
        file.write_text(json.dumps({"scores": table}, indent=1))
        return file

    def profile(
        self, *rules: str, extra: str = "", benchmarks: str = '"truthfulqa"', **gates: Any
    ) -> None:
        """Write the profile ``small``, which the project's pytest.ini names."""
        keys = "".join(f"{k} = {json.dumps(v)}\n" for k, v in gates.items())
        subjects = "".join(
            f'[[subjects]]\nname = "{k}"\nrecorded = "{v}"\n' for k, v in MODELS.items()
        )
        (self.path / "evals" / "profiles" / "small.toml").write_text(
            f'{extra}\n[data]\nsource = "lem"\ndir = "../../data"\nbenchmarks = [{benchmarks}]\n'
            f'{subjects}[judges]\ndefault = "recorded"\n'
            f"[gates]\n{keys}rules = {json.dumps(list(rules))}\n"
        )

    def evaluate(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        process: bool | None = None,
    ) -> Outcome:
        """Run `pytest` in the project; without arguments, `pytest evals`.

        ``process``: whether to start a new process (default: only under xdist, or if there is an
        ``evals/conftest.py``, whose patches could affect other tests).
        """
        arguments = arguments or ("evals",)
        out = self.path / ".lek"
        before = set(out.glob("runs/*"))
        if process is None:
            distributed = any(
                a.startswith(("-n", "--tx", "--dist")) and a != "-n0" for a in arguments
            )
            process = distributed or (self.path / "evals" / "conftest.py").exists()
        environment = clean_environment() | (env or {})
        run = in_new_process if process else in_this_process
        code, text = run(list(arguments), cwd or self.path, environment, self.path)
        return Outcome(code, text, sorted(set(out.glob("runs/*")) - before))


def run_code(project: Project, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python ``code`` in the project, in a new process."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def interrupted(
    project: Project, env: dict[str, str], begun: Callable[[], bool], release: Event
) -> tuple[int, str]:
    """Interrupt the controller of `pytest evals -n2`, not its workers; return exit code and output.

    ``begun``: whether the requests were sent, after which it is interrupted. ``release``: set when
    the session is stopped, so that the replies arrive.
    """

    def stopped() -> bool:
        with closing(sqlite3.connect(project.path / ".lek" / "store.sqlite3")) as store:
            return bool(store.execute("SELECT 1 FROM sessions WHERE stopped").fetchall())

    session = subprocess.Popen(
        [sys.executable, "-m", "pytest", "evals", "-n2"],
        cwd=project.path,
        env=clean_environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # a parent may ignore the signal, as shells do for commands in the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not begun():
        time.sleep(0.01)
    session.send_signal(signal.SIGINT)
    while not stopped():
        time.sleep(0.01)
    release.set()
    output = session.communicate(timeout=PATIENCE)[0]
    return session.returncode, output


def in_new_process(
    arguments: list[str], cwd: Path, environment: dict[str, str], project: Path
) -> tuple[int, str]:
    """Run `pytest` in a new process; return exit code and output."""
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return completed.returncode, completed.stdout + completed.stderr


def in_this_process(
    arguments: list[str], cwd: Path, environment: dict[str, str], project: Path
) -> tuple[int, str]:
    """Run `pytest` in this process, which saves starting Python; return exit code and output."""
    modules, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    variables, directory = dict(os.environ), Path.cwd()
    capture = MultiCapture(in_=SysCapture(0), out=SysCapture(1), err=SysCapture(2))
    capture.start_capturing()
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        code = int(pytest.main(["-p", "no:syrupy", *arguments]))
    finally:
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(variables)
        out, err = capture.readouterr()
        capture.stop_capturing()
        sys.path[:], sys.meta_path[:] = path, finders
        for name in [n for n, m in sys.modules.items() if _is_below(m, project)]:
            del sys.modules[name]
        sys.modules.update(modules)
        gc.unfreeze()
    return code, out + err


def _is_below(module: Any, directory: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and directory in Path(file).parents


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that affect the output or settings of pytest."""
    dropped = ("PYTEST_", "COV_", "FORCE_COLOR", "PY_COLORS", "GITHUB_", "GIT_", "CI", "BUILD_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}


def lek(
    directory: Path, *arguments: str, env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run the command `lek` in ``directory``; return exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, "-m", "lek", *arguments],
        cwd=directory,
        env=clean_environment() | (env or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


def copy_harness(path: Path) -> Project:
    """Copy the parts of the repository that a user would copy to ``path``."""
    shutil.copy(ROOT / "conftest.py", path)
    shutil.copytree(ROOT / "evals", path / "evals", ignore=shutil.ignore_patterns("__pycache__"))
    (path / "pytest.ini").write_text(
        "[pytest]\nlek_profile = small\naddopts = --strict-markers --strict-config\n"
    )
    return Project(path)
