"""The repository's workflow on GitHub Actions: its rights, its commands, and what they leave."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from support.project import PATIENCE, ROOT, Project, clean_environment

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "evals.yml").read_text())
STEPS: list[dict[str, Any]] = [s for job in WORKFLOW["jobs"].values() for s in job["steps"]]
ACTIONS = [step["uses"] for step in STEPS if "uses" in step]


def scripts(job: str) -> list[str]:
    """The commands of a job, without the installation of packages of the system."""
    runs = [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]
    return [run for run in runs if "apt-get" not in run]


def test_rights_limits_and_versions() -> None:
    assert WORKFLOW[True] == ["push", "pull_request"]  # YAML 1.1 reads `on` as true
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in WORKFLOW["jobs"].values())
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", action) for action in ACTIONS)
    assert "github.sha" in WORKFLOW["concurrency"]["group"]


def test_commands_are_those_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"\n{' && '.join(scripts('tests'))}\n" in readme
    command = " && ".join(scripts("evals"))
    options = " --html=report.html --self-contained-html"
    assert command.endswith(options)
    assert f"\n{command.removesuffix(options)}\n" in readme
    assert options.strip() in readme


def test_report_and_results_are_kept_in_any_case() -> None:
    (report,) = (s for s in STEPS if "upload-artifact" in s.get("uses", ""))
    assert (report["if"], report["with"]["path"]) == ("always()", "report.html")
    assert report["with"]["name"] == "report-${{ github.sha }}"
    restored, saved = (s for s in STEPS if "/cache/" in s.get("uses", ""))
    assert saved["if"] == "always()"
    assert saved["with"]["path"].split() == [".lek/*", "!.lek/runs"]
    shared = ("path", "key")
    assert [restored["with"][k] for k in shared] == [saved["with"][k] for k in shared]
    assert saved["with"]["key"].startswith(restored["with"]["restore-keys"])


@pytest.mark.parametrize(("gate", "code"), [("lek > base", 0), ("base > lek", 1)])
def test_the_evaluation_leaves_a_report_and_a_summary(
    project: Project, gate: str, code: int
) -> None:
    project.profile(f"truthfulqa.truthfulness: {gate}")
    directory = project.path / ".venv" / "bin"
    directory.mkdir(parents=True)
    (directory / "pytest").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest "$@"\n')
    (directory / "pytest").chmod(0o755)
    summary = project.path / "summary.md"
    done = subprocess.run(
        ["bash", "-e", "-c", scripts("evals")[-1]],
        cwd=project.path,
        env=clean_environment() | {"GITHUB_STEP_SUMMARY": os.fspath(summary), "CI": "true"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stdout
    assert " is 2.21 " in (project.path / "report.html").read_text()
    ruling = "FAILED" if code else "PASSED"
    assert f"- **{ruling}**: " in summary.read_text()
