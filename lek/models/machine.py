"""Preload OpenBLAS for MLX on Linux, and report what the machine has.

MLX's CPU wheel for Linux links a reference BLAS of 1 to 5 GFLOP/s. A BLAS that is loaded with
global symbols before ``mlx.core`` is first imported replaces it: 10 to 50 times faster.

OpenBLAS has kernels for many CPUs and chooses by the CPU's model. For an x86 CPU newer than itself
it chooses those for the oldest CPUs (SSE3), which are 4 to 5 times slower than those for AVX-512.
"""

import _ctypes
import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

INSTALL = (
    "apt install libopenblas0-pthread (Debian, Ubuntu) or dnf install openblas-threads (Fedora)"
)
_NAMES = ("libopenblas.so.0", "libopenblasp.so.0", "libopenblas.so")


@cache
def preload() -> str | None:
    """Load OpenBLAS for MLX, once; return the library's name, or ``None`` if none was loaded.

    If OpenBLAS does not know the CPU, the kernels are those for the instructions that the CPU has,
    unless the environment variable ``OPENBLAS_CORETYPE`` names others.

    On systems other than Linux, MLX has its own BLAS and nothing is loaded. On an x86 CPU, MLX is
    also kept from compiling kernels with the system's g++, which takes 15 seconds the first time,
    makes nothing faster and changes no byte of the results. If ``mlx.core`` was imported earlier,
    it is too late for both, and nothing is done.
    """
    if sys.platform != "linux" or _mlx_was_imported():
        return None
    # on other CPUs g++ may round a product and a sum as one operation, so that results without
    # compilation would differ from those of mlx_lm
    if not accelerated() and platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")  # read when mlx.core is imported
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            better = _better_kernels(_kernels(library), _instructions())
            if better is not None and "OPENBLAS_CORETYPE" not in os.environ:
                os.environ["OPENBLAS_CORETYPE"] = better  # read when the library is loaded
                _ctypes.dlclose(library._handle)
            library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return name
    return None


def share_cores(processes: int) -> None:
    """Let OpenBLAS use this process's part of the cores, of which ``processes`` use all together.

    Call it before `preload`. An environment variable ``OPENBLAS_NUM_THREADS`` takes precedence.
    """
    allowed = getattr(os, "sched_getaffinity", None)  # on Linux only
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, cores // processes)))


def blas() -> str | None:
    """Return the name and the kernels of OpenBLAS, after `preload`; ``None`` if there is none."""
    name = preload()
    return None if name is None else f"{name}, {_kernels(ctypes.CDLL(name))} kernels"


# OpenBLAS's names of CPUs without AVX, in lower case
_OLD = {"generic", "katmai", "coppermine", "northwood", "banias", "prescott", "atom", "core2"}
_OLD |= {"penryn", "dunnington", "nehalem", "athlon", "opteron", "opteron_sse3", "barcelona"}
_OLD |= {"bobcat", "nano"}


def _kernels(library: ctypes.CDLL) -> str:
    """The CPU for which the kernels of OpenBLAS, loaded as ``library``, were written."""
    name = getattr(library, "openblas_get_corename", None)
    if name is None:
        return "unknown"
    name.restype = ctypes.c_char_p
    return str(name().decode())


def _instructions() -> set[str]:
    """The names of the instruction sets of this CPU, as Linux lists them; empty if it lists none.

    Linux lists only those that a program may use.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _better_kernels(chosen: str, instructions: set[str]) -> str | None:
    """Better kernels for a CPU with ``instructions``, if those ``chosen`` are for old CPUs."""
    if chosen.lower() not in _OLD:
        return None
    if instructions >= {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}:
        return "SkylakeX"
    return "Haswell" if instructions >= {"avx2", "fma"} else None


_OPEN_FILES = 2048  # the limit that mlx_lm sets


@cache
def import_mlx_lm() -> None:
    """Import mlx_lm, after `preload`, and allow this process up to 2,048 open files.

    mlx_lm sets this limit and a hard one of 4,096 when it is imported, which fails if the hard
    limit is lower, and lowers it otherwise.
    """
    preload()
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    set_limits = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        import mlx_lm.utils  # noqa: F401
    finally:
        resource.setrlimit = set_limits
    unlimited = resource.RLIM_INFINITY
    wanted = _OPEN_FILES if hard == unlimited else min(_OPEN_FILES, hard)
    if soft not in (unlimited, wanted) and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@cache
def _mlx_was_imported() -> bool:
    """Whether ``mlx.core`` was imported before the first call (the answer is cached)."""
    return "mlx.core" in sys.modules


def missing() -> str | None:
    """Return why MLX has only the slow BLAS, and the remedy; ``None`` if it has a fast one."""
    if sys.platform != "linux" or accelerated() or preload() is not None:
        return None
    slow = "MLX computes 10 to 50 times slower"
    if _mlx_was_imported():
        call = "call lek.models.machine.preload() first"
        return f"mlx.core was imported before OpenBLAS was loaded, {slow}; {call}"
    return f"no OpenBLAS on this machine, {slow}; install it: {INSTALL}"


@cache
def accelerated() -> bool:
    """Whether MLX computes on a GPU: Metal on Apple silicon, or an MLX built for CUDA.

    Determined without importing MLX, which takes a second.
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any((d.name or "").lower().startswith("mlx-cuda") for d in distributions())


class Finding(NamedTuple):
    """One line of `lek doctor`: the state of a component, its name, and details.

    ``slow``: it works, but slowly. ``missing``: it is needed and not there. ``unknown``: it could
    not be checked.
    """

    state: Literal["ok", "slow", "missing", "unknown"]
    about: str
    text: str


def examine() -> Iterator[Finding]:
    """Examine Python, memory, MLX, its device and its BLAS; multiply matrices for the speed."""
    size = psutil.virtual_memory().total / 1e9
    cores = f"{os.cpu_count()} cores, {size:.0f} GB"
    yield Finding("ok", "machine", f"{platform.system()} {platform.machine()}, {cores}")
    yield Finding("ok", "python", platform.python_version())
    library = blas()
    try:
        import mlx.core as mx

        versions = f"mlx {version('mlx')}, mlx-lm {version('mlx-lm')}"
        device = _device(mx)
    except Exception as e:  # also a library that is missing or broken, or a driver
        reason = str(e).strip().partition("\n")[0] or type(e).__name__
        text = f"{reason}; only recorded answers can be evaluated; to run models: "
        yield Finding("missing", "mlx", text + "pip install mlx mlx-lm")
        return
    yield Finding("ok", "mlx", versions)
    yield device
    warning = missing()
    if warning is not None:
        yield Finding("slow", "blas", warning)
    elif library is not None:
        yield Finding("ok", "blas", library)
    yield Finding("ok", "speed", f"{_gigaflops():,.0f} GFLOP/s in float32 (1024 x 1024 matrices)")


_NVIDIA = Path("/proc/driver/nvidia/version")  # there if the driver of an NVIDIA GPU is loaded


def _device(mx: Any) -> Finding:
    """The device that MLX computes on, and whether the machine has a better one."""
    uses = f"MLX uses {mx.default_device()}"
    if mx.metal.is_available() or mx.cuda.is_available():
        kind = "Metal" if mx.metal.is_available() else "CUDA"
        name = mx.device_info().get("device_name", "unnamed GPU")
        return Finding("ok", "device", f"{kind}, {name}; {uses}")
    if _NVIDIA.exists():
        advice = "this MLX is built for the CPU; install the one for CUDA: pip install 'mlx[cuda]'"
        return Finding("slow", "device", f"an NVIDIA GPU, but {advice}; {uses}")
    return Finding("ok", "device", f"CPU, no GPU that MLX supports; {uses}")


def memory() -> tuple[int, int]:
    """Return the bytes of memory in which MLX keeps models, in total and available.

    It is the memory of the machine, or that of the GPU if it has its own, whose free part is not
    known.
    """
    if accelerated() and sys.platform != "darwin":
        import mlx.core as mx

        size = int(mx.device_info()["total_memory"])
        return size, size
    machine = psutil.virtual_memory()
    return machine.total, machine.available


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
