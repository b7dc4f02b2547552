"""The result of an evaluation, written atomically as run.json and verdicts.jsonl."""

import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.errors import BadInput
from lek.records import Metric, Ruling, Verdict, one_line
from lek.runs.prompts import RenderedPrompts
from lek.workspace.atomic import Reservation, is_free, remove_leftovers

SCHEMA = 2
PROMPTS = "prompts.json"
_PACKAGES = (
    "lek",
    "pytest",
    "pytest-xdist",
    "pytest-html",
    "pydantic",
    "msgspec",
    "numpy",
    "scipy",
    "matplotlib",
    "mlx",
    "mlx-lm",
    "transformers",
    "tokenizers",
    "datasets",
    "pyarrow",
    "gguf",
    "google-generativeai",
    "google-genai",
    "openai",
)


class Run:
    """The results of a run: the content of ``run.json``, and the verdicts.

    ``facts``: everything in ``run.json`` except metrics and gates. ``prompts``: the rendered
    prompts by subject and benchmark, where they are known: the content of ``prompts.json``.
    """

    def __init__(
        self,
        facts: dict[str, Any],
        metrics: list[Metric],
        gates: list[Ruling],
        verdicts: list[Verdict],
        prompts: Mapping[str, Mapping[str, RenderedPrompts]] | None = None,
    ) -> None:
        self.facts = facts
        self.prompts = prompts or {}
        self.metrics = metrics
        self.gates = gates
        self.verdicts = verdicts

    @cached_property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The benchmarks by name, in order, as described in ``run.json``."""
        described: dict[str, Any] = self.facts["benchmarks"]
        return {name: Benchmark.from_description(name, d) for name, d in described.items()}

    def measure(self, metric: Metric) -> Measure:
        """The measure of ``metric``."""
        return self.benchmarks[metric.benchmark][metric.measure]

    @property
    def complete(self) -> bool:
        """Whether each selected case has a verdict, scored or not, and no judge was unavailable."""
        return not (self.facts["counts"]["lost"] or self.facts["counts"]["pending"])

    @property
    def holds(self) -> bool:
        """Whether all selected gates passed."""
        return all(gate.ruling == "passed" for gate in self.selected_gates)

    @property
    def selected_gates(self) -> list[Ruling]:
        """The gates that the session selected."""
        return [gate for gate in self.gates if gate.ruling != "not selected"]

    @property
    def not_selected(self) -> Counter[str]:
        """The number of the other gates, by the reason."""
        return Counter(gate.why for gate in self.gates if gate.ruling == "not selected")

    def document(self) -> dict[str, Any]:
        """``run.json`` as plain values."""
        return {
            "schema": SCHEMA,
            **self.facts,
            "metrics": msgspec.to_builtins(self.metrics),
            "gates": msgspec.to_builtins(self.gates),
        }


def load_run(directory: Path) -> Run:
    """Read the run in ``directory``, written by `write_run` of this version or an earlier one.

    Raises `BadInput` if there is no valid run, or if a later version wrote it.
    """
    path = directory / "run.json"
    try:
        document = json.loads(path.read_bytes())
        lines = (directory / "verdicts.jsonl").read_bytes().splitlines()
    except OSError as e:
        raise BadInput(f"{e.filename}: cannot be read: {e.strerror}; expected a run") from e
    except ValueError as e:
        raise BadInput(f"{path}: not JSON: {e}") from e
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema not in range(1, SCHEMA + 1):
        raise BadInput(f"{path}: schema {schema!r}; this version reads 1 to {SCHEMA}")
    try:
        prompts = directory / PROMPTS
        rendered = prompts.read_bytes() if prompts.is_file() else b"{}"  # older runs lack it
        verdicts = [json.loads(line) for line in lines]
        if schema == 1:
            document, verdicts = _from_schema_1(document, verdicts)
        counts = document["counts"]
        counts.setdefault("evaluated", counts["verdicts"])  # runs of early versions lack it
        metrics, gates = document.pop("metrics"), document.pop("gates")
        return Run(
            document,
            msgspec.convert(metrics, list[Metric]),
            msgspec.convert(gates, list[Ruling]),
            msgspec.convert(verdicts, list[Verdict]),
            msgspec.json.decode(rendered, type=dict[str, dict[str, RenderedPrompts]]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadInput(f"{directory}: not a run: {type(e).__name__}: {e}") from e


_SCHEMA_1_RULINGS = {"open": "passed", "shut": "failed", "not asked": "not selected"}


def _from_schema_1(
    document: dict[str, Any], verdicts: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Convert a run of schema 1 to schema 2.

    Schema 1 had one judge per verdict, no codes for unscored measures, one scale per benchmark,
    and other names of rulings.
    """
    for verdict in verdicts:
        judge, pending = verdict.pop("judge"), verdict.pop("pending", False)
        verdict["judges"] = dict.fromkeys(verdict["scores"], judge)
        code = "judge_unavailable" if pending else "invalid_reply"
        if verdict["response"].get("text") is None:
            code = "no_response"
        verdict["unscored"] = {
            measure: {"code": code, "text": text}
            for measure, text in verdict.get("unscored", {}).items()
        }
    for gate in document["gates"]:
        gate["why"] = gate["why"].removesuffix(f": {gate['ruling']}")
        gate["ruling"] = _SCHEMA_1_RULINGS.get(gate["ruling"], gate["ruling"])
    codes = {u["text"]: u["code"] for v in verdicts for u in v["unscored"].values()}
    document["unscored"] = [
        {
            "code": codes.get(text, "invalid_reply"),
            "count": count,
            "texts": [{"text": text, "count": count}],
        }
        for text, count in document.pop("why_unscored", {}).items()
    ]
    document["protocol"] = {
        name: {protocol.pop("judge"): protocol} for name, protocol in document["protocol"].items()
    }
    document["benchmarks"] = {}
    for metric in document["metrics"]:
        measures = document["benchmarks"].setdefault(
            metric["benchmark"], {"marker": metric["benchmark"], "digest": "", "measures": {}}
        )["measures"]
        fraction = metric["measure"] == "accuracy"
        measures[metric["measure"]] = {
            "scale": [0, 1] if fraction else [1, 10],
            "fraction": fraction,
            "source": "exact" if fraction else "judge",
            "where": {},
        }
    return document, verdicts


def out_directory(option: Path | None, here: Path, started: datetime, commit: str | None) -> Path:
    """The directory for the run: ``option``, or ``here/.lek/runs/<utc time>-<commit>``.

    Raises `BadInput` if ``option`` is a file or a directory that is not empty.
    """
    if option is None:
        stamp = started.strftime("%Y%m%dT%H%M%SZ")
        return here / ".lek" / "runs" / f"{stamp}-{(commit or 'nocommit')[:9]}"
    if not is_free(option):
        kind = "directory that is not empty" if option.is_dir() else "file"
        raise BadInput(f"--lek-out {option}: a {kind}; name a new directory")
    return option


def reserve_run(out: Path, option: str) -> Reservation:
    """Create a temporary directory beside ``out``, to find out early whether it can be written.

    Removes those of runs that were killed. Raises `BadInput` that names ``option`` if it cannot be
    written.
    """
    try:
        remove_leftovers(out.parent)
        return Reservation(out)
    except OSError as e:
        raise BadInput(f"{option} {out}: cannot be written: {e.strerror}; name another") from e


def write_run(run: Run, out: Path, reservation: Reservation) -> Path:
    """Write ``run`` into the reserved directory and rename that to ``out``; returns the final path.

    If another run has used the name meanwhile, a number is appended to ``out``. Raises `OSError`.
    """
    document = json.dumps(run.document(), indent=1, ensure_ascii=False, allow_nan=False)
    temporary = reservation.path
    (temporary / "run.json").write_text(one_line(document) + "\n", encoding="utf-8")
    if run.prompts:
        prompts = one_line(msgspec.json.encode(run.prompts).decode())
        (temporary / PROMPTS).write_text(prompts + "\n", encoding="utf-8")
    with (temporary / "verdicts.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(verdict.to_json() + "\n" for verdict in run.verdicts)
    paths = (out.with_name(f"{out.name}-{i}") if i else out for i in range(10_000))
    path = next(filter(is_free, paths))
    reservation.publish(path)
    return path


class Commit(NamedTuple):
    """The commit of a directory, and whether it has uncommitted changes; ``None`` if unknown.

    ``problem``: why git could not tell, if the directory seems to be in a repository. ``message``:
    the first line of the commit's message.
    """

    id: str | None
    dirty: bool | None = None
    problem: str | None = None
    message: str | None = None


def commit_of(directory: Path) -> Commit:
    """The commit of ``directory``, according to git."""
    try:
        commit = _git(directory, "rev-parse", "--verify", "--quiet", "HEAD")
        if commit.returncode != 0:
            return Commit(None, problem=_git_problem(commit.stderr))
        status = _git(directory, "status", "--porcelain", "--", ".")
        message = _git(directory, "log", "-1", "--format=%s")
    except FileNotFoundError:  # git is not installed
        return Commit(None)
    except (OSError, subprocess.SubprocessError) as e:
        return Commit(None, problem=f"{_NO_COMMIT}: {type(e).__name__}")
    dirty = bool(status.stdout.strip()) if status.returncode == 0 else None
    return Commit(commit.stdout.strip(), dirty, message=message.stdout.strip() or None)


_NO_COMMIT = "the commit is not recorded"


def _git_problem(message: str) -> str | None:
    if "dubious ownership" in message:
        remedy = "to allow it: git config --global --add safe.directory DIRECTORY"
        return f"{_NO_COMMIT}: the git repository belongs to another user; {remedy}"
    if not message.strip() or "not a git repository" in message:
        return None
    return f"{_NO_COMMIT}: git: {message.strip().splitlines()[0]}"


def _git(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return subprocess.run(  # noqa: S603  # no shell, fixed arguments
        ["git", "-C", str(directory), *arguments],  # noqa: S607  # the user's git
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment | {"LC_ALL": "C"},
    )


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Python's version and those of the installed ``packages``."""
    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def machine() -> dict[str, Any]:
    """The machine of the run, without host or user name."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "implementation": sys.implementation.name,
    }


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
