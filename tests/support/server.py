"""A real ``mlx_lm.server`` on loopback, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from urllib.request import urlopen

from support.project import PATIENCE, clean_environment

_STARTS = 5  # another process may take the free port before the server does


@contextmanager
def mlx_server(model: Path, log: Path) -> Iterator[str]:
    """Serve the model directory ``model`` until the block ends; yields the address with ``/v1``.

    ``log``: the file for the server's output.
    """
    for _ in range(_STARTS):
        with create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with log.open("w") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "mlx_lm", "server", f"--model={model}", f"--port={port}"],
                env=clean_environment() | {"HF_HUB_OFFLINE": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            if _is_ready(server, port):
                yield f"http://127.0.0.1:{port}/v1"
                return
        finally:
            server.kill()
            server.wait()
    raise AssertionError(f"the server does not start:\n{log.read_text()}")


def _is_ready(server: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until ``server`` replies; false if it ends before."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as reply:
                return bool(reply.status == 200 and server.poll() is None)
        except OSError:
            assert time.monotonic() < deadline, "the server does not reply"
            time.sleep(0.1)
    return False
