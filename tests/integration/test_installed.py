"""The installed plugin: inactive in other repositories, and complete in a wheel."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from support.project import PATIENCE, ROOT, Project, clean_environment, copy_harness

HEAVY = {"mlx", "mlx_lm", "transformers", "datasets", "scipy", "numpy", "openai", "matplotlib"}
HEAVY |= {"google.genai", "google.generativeai", "huggingface_hub"}


@pytest.fixture
def other_repository(tmp_path: Path) -> Project:
    """A repository without evaluations."""
    (tmp_path / "test_a.py").write_text(
        "import os\n"
        "import pytest\n"
        "@pytest.mark.parametrize('i', range(6))\n"
        "def test_a(i):\n"
        "    if i == 3 and not os.path.exists('died'):\n"
        "        open('died', 'w').close()\n"
        "        os._exit(1)\n"
    )
    return Project(tmp_path)


def test_inactive_in_another_repository(other_repository: Project) -> None:
    (other_repository.path / "died").touch()
    (other_repository.path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    names = {n for n in sys.modules if n.split('.')[0] == 'lek'}\n"
        "    print('modules', sorted(names))\n"
        "    plugins = [n for n, _ in config.pluginmanager.list_name_plugin() if 'lek' in n]\n"
        "    print('plugins', plugins)\n"
    )
    done = other_repository.evaluate("-s", "-v", ".", process=True)
    assert done.code == 0, done.out
    assert "modules ['lek', 'lek.plugin']" in done.out
    assert "plugins ['lek']" in done.out
    header = done.out.split("collected")[0]
    assert "lek:" not in header
    for option in ("--markers", "--fixtures"):
        out = other_repository.evaluate(option, process=True).out
        assert not re.search(r"truthful|gsm8k|cases\(|^subject|^judge|^record\b", out, re.M)
    assert not (other_repository.path / ".lek").exists()


def test_xdist_is_unchanged_in_another_repository(other_repository: Project) -> None:
    done = other_repository.evaluate("-n2", "-v", ".")
    assert "replacing crashed worker" in done.out
    assert done.counts["passed"] == 5
    without = other_repository.evaluate("-n2", "-v", "-p", "no:lek", ".")
    assert "scheduling tests via LoadScheduling" in done.out
    assert "scheduling tests via LoadScheduling" in without.out


@pytest.mark.parametrize("way", [[], ["-n2"]])
def test_cases_without_a_profile_are_a_usage_error(tmp_path: Path, way: list[str]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "test_a.py").write_text(
        "from lek import cases\n"
        "@cases('gsm8k')\ndef test_a(case, subject, judge, record): pass\n"
        "@cases('toxigen')\ndef test_b(case, subject, judge, record): pass\n"
    )
    done = Project(tmp_path).evaluate(".", *way, process=True)
    assert done.code == 4 if not way else done.code in (1, 2)
    error = "@cases('gsm8k'): no profile; give --lek-profile NAME or set lek_profile in pytest.ini"
    assert error in done.out
    assert "Traceback" not in done.out and "INTERNALERROR" not in done.out
    if not way:
        assert done.error == error


def test_options_are_registered_before_paths_are_read(project: Project) -> None:
    project.data.rename(project.path / "elsewhere")
    done = project.evaluate("--lek-data", "elsewhere", "evals")
    assert done.code == 0, done.out
    assert project.evaluate("evals", "--lek-profile", "smal").error.endswith(
        "did you mean 'small'?"
    )


@pytest.mark.parametrize(
    "command",
    [["-m", "pytest", "--help"], ["-m", "lek", "--help"], ["-m", "lek", "build", "--help"]],
)
@pytest.mark.parametrize("profile", [True, False])
def test_help_imports_nothing_heavy(tmp_path: Path, command: list[str], profile: bool) -> None:
    if profile:
        copy_harness(tmp_path)
    code = (
        "import atexit, runpy, sys\n"
        f"heavy = {HEAVY!r}\n"
        "def report():\n"
        "    imported = {m for m in sys.modules if m in heavy or m.split('.')[0] in heavy}\n"
        "    print('HEAVY', sorted(imported))\n"
        "atexit.register(report)\n"
        f"sys.argv = {['lek', *command[2:]]!r}\n"
        f"runpy.run_module({command[1]!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout


@pytest.fixture(scope="session")
def installed(shared_directory: Path) -> Iterator[Path]:
    """A Python with this repository's wheel, and the packages of the current environment."""
    home = shared_directory / "wheel"
    python = home / "venv" / "bin" / "python"
    with FileLock(shared_directory / "wheel.lock"):
        if not python.exists():
            shutil.copytree(
                ROOT,
                home / "source",
                ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "*.egg-info"),
            )
            build = ["wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index", "-w", "."]
            options = {"cwd": home, "env": clean_environment(), "check": True}
            subprocess.run([sys.executable, "-m", "pip", *build, "./source"], **options)
            venv.create(home / "venv", with_pip=False)
            (wheel,) = home.glob("*.whl")
            site = next((home / "venv" / "lib").glob("python*/site-packages"))
            install = [
                "install",
                "-q",
                "--no-deps",
                "--no-index",
                "--target",
                str(site),
                str(wheel),
            ]
            subprocess.run([sys.executable, "-m", "pip", *install], **options)
            (site / "zz.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    yield python


def test_the_wheel_is_complete(installed: Path, tmp_path: Path) -> None:
    """The installed wheel evaluates the sandbox in an empty directory."""
    environment = {k: v for k, v in clean_environment().items() if k != "PYTHONPATH"}
    arguments = ["--pyargs", "lek.evals", "--lek-profile", "sandbox", "-m", "reasoning"]
    done = subprocess.run(
        [
            str(installed),
            "-m",
            "pytest",
            *arguments,
            "-k",
            "base",
            "--lek-limit=3",
            "--lek-no-gates",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(ROOT) not in done.stdout
    assert [p.name for p in tmp_path.iterdir() if p.name != ".pytest_cache"] == [".lek"]
    (run,) = (tmp_path / ".lek" / "runs").iterdir()
    assert len((run / "verdicts.jsonl").read_text().splitlines()) == 3
    package = next((installed.parent.parent / "lib").glob("python*/site-packages/lek"))
    for name in (
        "kernel/lek-1-kernel.txt", "kernel/axioms.json", "seeds/P01-P20.json",
        "training/train.jsonl", "abliteration/harmful.jsonl", "sandbox/base/model.safetensors",
        "benchmarks/toxigen/awareness.md", "evals/profiles/lem-paper.toml", "py.typed",
    ):  # fmt: skip
        assert (package / name).is_file(), name


def test_a_new_repository_runs_as_it_is(installed: Path, tmp_path: Path) -> None:
    """What `lek init` writes is evaluated by the commands of its CI file."""
    environment = {k: v for k, v in clean_environment().items() if k != "PYTHONPATH"}
    environment["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
    options = {"env": environment, "capture_output": True, "text": True, "timeout": PATIENCE}
    init = [str(installed), "-m", "lek", "init", "repo", "--benchmark", "mine"]
    done = subprocess.run(init, cwd=tmp_path, **options)
    assert (done.returncode, done.stderr) == (0, "")
    repository = tmp_path / "repo"
    workflow = yaml.safe_load((repository / ".github/workflows/evals.yml").read_text())
    scripts = [step["run"] for step in workflow["jobs"]["evals"]["steps"] if "run" in step]
    (command,) = (script for script in scripts if script.startswith("pytest "))
    assert command == "pytest evals --html=report.html --self-contained-html"
    done = subprocess.run([str(installed), "-m", *shlex.split(command)], cwd=repository, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (repository / ".lek" / "runs").iterdir()
    verdicts = [json.loads(line) for line in (run / "verdicts.jsonl").open()]
    evaluated = {s: sum(v["response"]["subject"] == s for v in verdicts) for s in ("base", "lek")}
    assert evaluated == {"base": 3, "lek": 3}
    assert {v["scores"]["accuracy"] for v in verdicts if v["response"]["subject"] == "base"} == {1}
    assert (repository / "report.html").is_file()
    assert (tmp_path / "summary.md").read_text().startswith("## main\n")


def test_profiles_of_the_repository_override_shipped_ones(installed: Path, tmp_path: Path) -> None:
    profiles = tmp_path / "evals" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "sandbox.toml").write_text("nonsense")
    done = subprocess.run(
        [str(installed), "-m", "lek", "build", "--profile=sandbox"],
        cwd=tmp_path,
        env={k: v for k, v in clean_environment().items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: evals/profiles/sandbox.toml: not TOML")
