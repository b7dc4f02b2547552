"""Creation of directories and files without conflicts: temporary names, renaming, locks."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def is_free(target: Path) -> bool:
    """Whether ``target`` does not exist or is an empty directory."""
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))


def reserve(target: Path) -> Path:
    """Create an empty temporary directory next to ``target``, to be filled and published later."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(".tmp", f".{target.name}.", target.parent))


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Yield a temporary directory that is renamed to ``target`` when the block ends.

    It is removed if the block raises. ``target`` must not exist, or be an empty directory.
    """
    temporary = reserve(target)
    try:
        yield temporary
        publish(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def publish(temporary: Path, target: Path) -> None:
    """Rename the directory ``temporary`` to ``target``, with the usual permissions."""
    temporary.chmod(0o755)  # mkdtemp gives access to the owner only
    temporary.rename(target)


@contextmanager
def exclusive(lock_file: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock between processes for the block; its directory must exist.

    ``on_wait``: called once if another process holds the lock, before waiting for it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_file(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``target``, replacing an existing file atomically."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
