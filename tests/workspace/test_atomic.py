"""Temporary directories: published whole, removed if their process was killed, else left alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.project import ROOT, Project

from lek.workspace.atomic import Reservation, exclusive, new_directory, remove_leftovers
from lek.workspace.presence import Presence, is_present

RESERVE = (
    "import sys; from pathlib import Path; from lek.workspace.atomic import Reservation\n"
    "from lek.workspace.presence import Presence\n"
    "reservation = Reservation(Path(sys.argv[1]) / 'run')\n"
    "presence = Presence(Path(sys.argv[1]) / 'processes')\n"
    "print(presence.id, flush=True); sys.stdin.readline()\n"
)


def start(directory: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that has reserved a directory, and its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", RESERVE, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir() if p.name != "processes")


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_uses_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / ".another-program.tmp").mkdir()
    process, name = start(tmp_path)
    before = names(tmp_path)
    assert len(before) == 3
    assert is_present(tmp_path / "processes", name)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_present(tmp_path / "processes", name)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".another-program.tmp"]


def test_a_process_is_present_until_it_closes(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    assert not is_present(tmp_path, "another")
    presence.close()
    assert not is_present(tmp_path, presence.id)
    assert not list(tmp_path.iterdir())


def test_a_published_directory_leaves_nothing_else(tmp_path: Path) -> None:
    reservation = Reservation(tmp_path / "run")
    (reservation.path / "file").write_text("content")
    reservation.publish(tmp_path / "run")
    reservation.discard()
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "file").read_text() == "content"


def test_an_error_removes_the_directory(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_directory(tmp_path / "run") as path:
        (path / "half").write_text("")
        raise KeyboardInterrupt
    assert not names(tmp_path)


class TimeLimit(BaseException):
    """Like the exception of pytest-timeout, which is not an `Exception`."""


def test_a_time_limit_while_a_directory_is_reserved_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def slow_mkdir(self: Path, *rest: Any, **more: Any) -> None:
        mkdir(self, *rest, **more)
        if self.suffix == ".tmp":
            raise TimeLimit

    monkeypatch.setattr(Path, "mkdir", slow_mkdir)
    with pytest.raises(TimeLimit):
        Reservation(tmp_path / "run")
    assert names(tmp_path) == []


def test_a_time_limit_while_waiting_leaves_no_lock(tmp_path: Path) -> None:
    def strike() -> None:
        raise TimeLimit

    lock_file = tmp_path / "lock"
    with exclusive(lock_file, strike), pytest.raises(TimeLimit), exclusive(lock_file, strike):
        pass
    with pytest.raises(TimeLimit), exclusive(lock_file, strike):
        raise TimeLimit
    with exclusive(lock_file, strike):
        pass


def test_the_next_run_removes_what_a_killed_run_left(project: Project) -> None:
    conftest = project.path / "evals" / "conftest.py"
    conftest.write_text(
        "import os, signal\ndef pytest_runtest_call(item):\n"
        "    if 'lek-T002' in item.nodeid: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert project.evaluate("evals").code == -signal.SIGKILL
    runs = project.path / ".lek" / "runs"
    assert names(runs)
    conftest.unlink()
    done = project.evaluate("evals")
    assert [runs / name for name in names(runs)] == done.runs


def test_a_usage_error_leaves_nothing(project: Project) -> None:
    profile = project.path / "evals" / "profiles" / "small.toml"
    profile.write_text(
        profile.read_text().replace(
            'default = "recorded"',
            'default = "openai"\n[judges.openai]\nmodel = "m"\nbase_url = "http://localhost"\n'
            'key = "NO_SUCH_KEY"',
        )
    )
    done = project.evaluate("evals", "-n2")
    assert done.code == 4
    assert "the environment has no NO_SUCH_KEY" in done.error
    assert not names(project.path / ".lek" / "runs")
