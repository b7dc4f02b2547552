"""The machine -> which BLAS MLX will multiply with, made the fast one where the machine has it.

MLX's CPU wheel for Linux links a reference BLAS of 1 to 5 GFLOP/s. A BLAS that is loaded with
global symbols before ``mlx.core`` is first imported takes its place: 10 to 50 times faster.
"""

import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import Literal, NamedTuple

import psutil

INSTALL = (
    "apt install libopenblas0-pthread (Debian, Ubuntu) or dnf install openblas-threads (Fedora)"
)
_NAMES = ("libopenblas.so.0", "libopenblasp.so.0", "libopenblas.so")


@cache
def preload() -> str | None:
    """Load OpenBLAS for MLX, once, and give the library's name; ``None`` where there is none.

    On systems other than Linux MLX brings a BLAS of its own and nothing is loaded. On an x86 CPU
    MLX is also kept from compiling kernels with the system's g++, which takes 15 seconds wherever
    it was not done before, gains nothing and changes no byte. Where ``mlx.core`` was imported
    before, it is too late for both, and nothing is done.
    """
    if sys.platform != "linux" or _late():
        return None
    # elsewhere g++ may round a product and a sum as one, and what mlx_lm itself gives would differ
    if not accelerated() and platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")  # read when mlx.core is imported
    for name in _NAMES:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return name
    return None


@cache
def _late() -> bool:
    return "mlx.core" in sys.modules


def missing() -> str | None:
    """What to tell a user whose MLX has only the slow BLAS; ``None`` where all is well."""
    if sys.platform != "linux" or accelerated() or preload() is not None:
        return None
    slow = "MLX computes 10 to 50 times slower"
    if _late():
        call = "call lek.models.machine.preload() first"
        return f"mlx.core was imported before OpenBLAS was loaded, {slow}; {call}"
    return f"no OpenBLAS on this machine, {slow}; {INSTALL}"


@cache
def accelerated() -> bool:
    """Whether MLX computes on a GPU here: Metal on Apple silicon, or an MLX built for CUDA.

    Told without importing MLX, which takes a second.
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any((d.name or "").lower().startswith("mlx-cuda") for d in distributions())


class Finding(NamedTuple):
    """One line: how it stands, what it is about, and what was found."""

    state: Literal["ok", "slow", "missing"]
    about: str
    text: str


def examine() -> Iterator[Finding]:
    """Look at Python, memory, MLX and its BLAS; multiplies two matrices to see how fast it is."""
    memory = psutil.virtual_memory().total / 1e9
    cores = f"{os.cpu_count()} cores, {memory:.0f} GB"
    yield Finding("ok", "machine", f"{platform.system()} {platform.machine()}, {cores}")
    yield Finding("ok", "python", platform.python_version())
    name = preload()
    try:
        import mlx.core as mx

        found = f"mlx {version('mlx')}, mlx-lm {version('mlx-lm')}, {mx.default_device()}"
    except (ImportError, PackageNotFoundError) as e:
        text = f"{e}; recorded answers can be evaluated, models cannot: pip install -e ."
        yield Finding("missing", "mlx", text)
        return
    yield Finding("ok", "mlx", found)
    lacks = missing()
    if lacks is not None:
        yield Finding("slow", "blas", lacks)
    elif name is not None:
        yield Finding("ok", "blas", name)
    yield Finding("ok", "speed", f"{_gigaflops():,.0f} GFLOP/s in float32 (1024 x 1024 matrices)")


def _gigaflops() -> float:
    import mlx.core as mx

    size = 1024
    a = mx.random.normal((size, size), key=mx.random.key(0))
    mx.eval(a @ a)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        mx.eval(a @ a)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9
