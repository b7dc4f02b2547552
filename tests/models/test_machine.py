"""The report on the machine: with and without OpenBLAS, and when loading it is too late."""

import os
import subprocess
import sys

import pytest
from support.project import ROOT

from lek.models import machine


def say(code: str) -> str:
    """Return what ``code`` prints in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_doctor_reports_the_state_of_each_component() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lek", "doctor"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    assert list(told)[:3] == ["machine", "python", "mlx"]
    assert "GFLOP/s" in done.stdout
    if sys.platform == "linux" and not machine.accelerated():
        assert told["blas"] == ("slow" if machine.missing() else "ok")


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its own BLAS elsewhere")
def test_doctor_says_how_to_install_openblas() -> None:
    told = say(
        "from lek.models import machine; machine._NAMES = ('libno.so',); print(machine.missing())"
    )
    assert told.startswith("no OpenBLAS on this machine, MLX computes 10 to 50 times slower; ")
    assert "apt install libopenblas0-pthread" in told


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its own BLAS elsewhere")
def test_a_late_call_says_so_and_harms_nothing() -> None:
    told = say(
        "import mlx.core; from lek.models import machine; "
        "print(machine.preload(), machine.missing())"
    )
    assert told.startswith("None mlx.core was imported before OpenBLAS was loaded")


def test_looking_for_a_gpu_imports_nothing() -> None:
    told = say(
        "import sys; from lek.models import machine; machine.accelerated(); "
        "print('mlx' in sys.modules)"
    )
    assert told == "False"
