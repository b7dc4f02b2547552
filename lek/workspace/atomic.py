"""Creation of directories and files without conflicts: temporary names, renaming, locks."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


def is_free(target: Path) -> bool:
    """Whether ``target`` does not exist or is an empty directory."""
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))


class Reservation:
    """An empty temporary directory next to ``target``, to be filled and then published.

    A lock shows `remove_leftovers` that this process still uses it. ``path``: the directory. Raises
    `OSError` if it cannot be created.
    """

    def __init__(self, target: Path) -> None:
        from filelock import FileLock

        target.parent.mkdir(parents=True, exist_ok=True)
        self.path = target.parent / f".{target.name}.{uuid4().hex[:12]}{_TEMPORARY}"
        self._lock = FileLock(f"{self.path}{_LOCK}")
        try:
            self._lock.acquire()
            self.path.mkdir()
        except BaseException:  # also a time limit of pytest
            self.discard()
            raise

    def publish(self, target: Path) -> None:
        """Rename the directory to ``target``, which must not exist, or be an empty directory."""
        self.path.rename(target)
        self._release()

    def discard(self) -> None:
        """Remove the directory, unless it was published."""
        if self._lock.is_locked:
            shutil.rmtree(self.path, ignore_errors=True)
            self._release()

    def _release(self) -> None:
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


_TEMPORARY, _LOCK = ".tmp", ".lock"


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary directories in ``directory`` whose process was killed."""
    from filelock import FileLock, Timeout

    for lock_file in directory.glob(f".*{_TEMPORARY}{_LOCK}"):
        lock = FileLock(lock_file)
        with suppress(OSError, Timeout), lock.acquire(timeout=0):
            shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
            lock_file.unlink(missing_ok=True)


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Yield a temporary directory that is renamed to ``target`` when the block ends.

    It is removed if the block raises. ``target`` must not exist, or be an empty directory.
    """
    reservation = Reservation(target)
    try:
        yield reservation.path
        reservation.publish(target)
    finally:
        reservation.discard()


@contextmanager
def exclusive(lock_file: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock between processes for the block; its directory must exist.

    ``on_wait``: called once if another process holds the lock, before waiting for it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        yield
    finally:
        lock.release()


def write_file(target: Path, text: str | Iterable[str]) -> None:
    """Write ``text``, or its parts, as UTF-8 to ``target``, replacing a file there atomically."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
