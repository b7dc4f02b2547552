"""The machine -> which BLAS MLX will multiply with, made the fast one where the machine has it.

MLX's CPU wheel for Linux links a reference BLAS of 1 to 5 GFLOP/s. A BLAS that is loaded with
global symbols before ``mlx.core`` is first imported takes its place: 10 to 50 times faster.
"""

import ctypes
import os
import platform
import sys
from functools import cache
from importlib.metadata import distributions

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
        return f"mlx.core was imported before OpenBLAS was loaded, {slow}; call lek.blas.preload()"
    return f"no OpenBLAS on this machine, {slow}; {INSTALL}"


@cache
def accelerated() -> bool:
    """Whether MLX computes on a GPU here: Metal on Apple silicon, or an MLX built for CUDA.

    Told without importing MLX, which takes a second.
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any((d.name or "").lower().startswith("mlx-cuda") for d in distributions())
