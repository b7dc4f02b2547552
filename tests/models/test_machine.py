"""The report on the machine: with and without OpenBLAS, and when loading it is too late."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.project import ROOT, lek

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


def fake_mlx(metal: bool, cuda: bool) -> SimpleNamespace:
    return SimpleNamespace(
        metal=SimpleNamespace(is_available=lambda: metal),
        cuda=SimpleNamespace(is_available=lambda: cuda),
        default_device=lambda: "Device(gpu, 0)" if metal or cuda else "Device(cpu, 0)",
        device_info=lambda: {"device_name": "Some GPU"},
    )


@pytest.mark.parametrize(
    ("metal", "cuda", "driver", "state", "text"),
    [
        (True, False, False, "ok", "Metal, Some GPU; MLX uses Device(gpu, 0)"),
        (False, True, True, "ok", "CUDA, Some GPU; MLX uses Device(gpu, 0)"),
        (False, False, False, "ok", "CPU, no GPU that MLX supports; MLX uses Device(cpu, 0)"),
        (
            False,
            False,
            True,
            "slow",
            "an NVIDIA GPU, but this MLX is built for the CPU; install the one for CUDA: "
            "pip install 'mlx[cuda]'; MLX uses Device(cpu, 0)",
        ),
    ],
)
def test_the_device(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    metal: bool,
    cuda: bool,
    driver: bool,
    state: str,
    text: str,
) -> None:
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path if driver else tmp_path / "none")
    finding = machine._device(fake_mlx(metal, cuda))
    assert (finding.state, finding.text) == (state, text)


def test_doctor_survives_a_broken_mlx(tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "__init__.py").write_text("")
    (tmp_path / "mlx" / "core.py").write_text("raise OSError('libcuda.so: no such file\\nmore')")
    code, out, err = lek(ROOT, "doctor", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert (code, err) == (1, "")
    (line,) = (line for line in out.splitlines() if line.startswith("missing"))
    assert line.startswith("missing mlx      libcuda.so: no such file; only recorded answers")
    assert "profile  sandbox" in out


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its own BLAS elsewhere")
def test_doctor_says_how_to_install_openblas() -> None:
    told = say(
        "from lek.models import machine; machine._NAMES = ('libno.so',); print(machine.missing())"
    )
    assert told.startswith("no OpenBLAS on this machine, MLX computes 10 to 50 times slower; ")
    assert "apt install libopenblas0-pthread" in told


AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("chosen", "instructions", "better"),
    [
        ("Prescott", {"avx2", "fma"} | AVX512, "SkylakeX"),
        ("Nehalem", {"avx2", "fma"} | AVX512, "SkylakeX"),
        ("Prescott", {"avx2", "fma"}, "Haswell"),
        ("Prescott", {"avx2", "fma", "avx512f"}, "Haswell"),  # Xeon Phi
        ("Prescott", {"sse2", "avx"}, None),
        ("Prescott", set(), None),
        ("Zen", {"avx2", "fma"} | AVX512, None),
        ("SkylakeX", {"avx2", "fma"} | AVX512, None),
        ("Cooperlake", {"avx2", "fma"} | AVX512, None),
        ("armv8", set(), None),
    ],
)
def test_kernels_for_a_cpu_that_openblas_does_not_know(
    chosen: str, instructions: set[str], better: str | None
) -> None:
    assert machine._better_kernels(chosen, instructions) == better


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its own BLAS elsewhere")
@pytest.mark.skipif(bool(machine.missing()), reason="OpenBLAS is not installed")
@pytest.mark.skipif(not machine._instructions() >= {"avx2", "fma"}, reason="needs AVX2")
def test_kernels_named_by_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = "from lek.models import machine; print(machine.blas())"
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert machine._better_kernels(say(ask).split()[1], machine._instructions()) is None
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert say(ask) == f"{machine._NAMES[0]}, Prescott kernels"


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


@pytest.mark.parametrize(("processes", "threads"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_processes_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, processes: int, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    machine.share_cores(processes)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    machine.share_cores(processes)
    assert os.environ["OPENBLAS_NUM_THREADS"] == str(threads)
