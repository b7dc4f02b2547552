"""Presence of processes, shown by file locks, which the operating system releases at their end.

Process ids would not do: a store may be copied to another machine or container, where the id of a
process that has ended belongs to another one.
"""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from lek.errors import BadInput

_SUFFIX = ".lock"


class Presence:
    """Shows other processes that this one runs, from its creation to `close` or the process's end.

    ``directory``: holds the lock files of all processes. ``id``: names this process to the others.
    Raises `BadInput` if the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        from filelock import FileLock

        self.id = uuid4().hex
        self._file = directory / (self.id + _SUFFIX)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._file)
            self._lock.acquire()
        except OSError as e:
            raise BadInput(f"{directory}: cannot be written: {e.strerror or e}") from e

    def close(self) -> None:
        """End the presence."""
        self._file.unlink(missing_ok=True)
        self._lock.release()


def is_present(directory: Path, process: str) -> bool:
    """Whether the process with the id ``process`` shows its presence in ``directory``."""
    from filelock import FileLock, Timeout

    file = directory / (process + _SUFFIX)
    if not file.is_file():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    file.unlink(missing_ok=True)  # left by a process that was killed
    with suppress(OSError):
        lock.release()
    return False
