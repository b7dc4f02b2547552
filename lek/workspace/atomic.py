"""Directories and files that are there whole or not at all: filled aside, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def reserve(target: Path) -> Path:
    """An empty temporary directory beside ``target``, to fill and rename to it later."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(".tmp", f".{target.name}.", target.parent))


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """A temporary directory that becomes ``target`` when the block ends, or is removed.

    ``target`` must be new or an empty directory.
    """
    temporary = reserve(target)
    try:
        yield temporary
        publish(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def publish(temporary: Path, target: Path) -> None:
    """Give the directory ``temporary`` its final name."""
    temporary.chmod(0o755)  # mkdtemp lets nobody else in
    temporary.rename(target)


def write_file(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``target``, replacing it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
