"""A name and a way to make it -> a directory that is made once and is there whole or not at all.

Two processes that want the same directory make it once: one holds a file lock, the other waits. A
maker that is killed leaves a temporary directory, which the next one removes.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lek.errors import BadInput

FACTS = "build.json"


def made_once(
    target: Path, make: Callable[[Path], dict[str, Any]], wait: Callable[[str], None]
) -> Path:
    """``target``, made by ``make(temporary)`` unless it is there; ``wait`` is told of a wait.

    What ``make`` returns is kept as ``build.json`` in the directory.
    """
    if target.is_dir():
        return target
    from filelock import FileLock, Timeout

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BadInput(f"{target.parent}: cannot be written: {e.strerror}") from e
    lock = FileLock(target.parent / f".{target.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wait(f"waiting for another process that makes {target.name}")
        lock.acquire()
    try:
        if not target.is_dir():
            _make(target, make)
    finally:
        lock.release()
    return target


def _make(target: Path, make: Callable[[Path], dict[str, Any]]) -> None:
    for left in target.parent.glob(f".{target.name}.*.tmp"):  # of makers that were killed
        shutil.rmtree(left)
    temporary = Path(tempfile.mkdtemp(".tmp", f".{target.name}.", target.parent))
    try:
        facts = make(temporary)
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        (temporary / FACTS).write_text(text + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def facts_of(directory: Path) -> dict[str, Any] | None:
    """What the maker of ``directory`` noted, or ``None`` where nothing was made."""
    try:
        facts = json.loads((directory / FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    return dict(facts)
