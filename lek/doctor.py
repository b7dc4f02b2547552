"""The machine -> what the harness finds on it, line by line, and what to install."""

import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

import psutil

from lek import blas


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
    name = blas.preload()
    try:
        import mlx.core as mx

        found = f"mlx {version('mlx')}, mlx-lm {version('mlx-lm')}, {mx.default_device()}"
    except (ImportError, PackageNotFoundError) as e:
        text = f"{e}; recorded answers can be evaluated, models cannot: pip install -e ."
        yield Finding("missing", "mlx", text)
        return
    yield Finding("ok", "mlx", found)
    lacks = blas.missing()
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
