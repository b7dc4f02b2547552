"""Responses by the key of all that decided them -> SQLite, each one safe once it is put.

The key covers the subject's fingerprint (weights, tokenizer with its chat template, numeric form,
library versions; the day too, where the template writes it), the messages and the decoding: these
decide the rendered prompt and all that is done with it, so nothing is loaded to look an answer up.
Rows are added, never changed. The file also remembers digests of large files, by size, times and
inode.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lek.records import BadInput, Response

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT NOT NULL, created REAL NOT NULL, prompt TEXT NOT NULL, response TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS response_by_key ON responses (key);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL
);
"""
_AT_ONCE = 500  # SQLite allows 32,766 variables, once 999


def key_of(fingerprint: str, prompt: Any, decoding: dict[str, Any]) -> str:
    """SHA-256 over what decides an answer, as hexadecimal digits."""
    parts = json.dumps([fingerprint, prompt, decoding], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()


class Store:
    """The responses of all runs. Several processes may read and write it at once.

    A response that was put survives the death of the process at any moment (WAL; after a power
    cut the last ones may be missing, and none is torn).
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait where two processes turn on the log at once
            with FileLock(path.with_suffix(".lock")):
                self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
        except OSError as e:
            raise BadInput(f"{path}: cannot be written: {e.strerror or e}") from e
        except sqlite3.Error as e:
            broken = getattr(e, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT")
            fault = f"not a store: {e}; move the file away" if broken else f"cannot be used: {e}"
            raise BadInput(f"{path}: {fault}") from e

    def put(self, key: str, prompt: str, response: Response) -> None:
        """Keep ``response``; ``prompt`` is the text that the model was given, for people."""
        row = (key, time.time(), prompt, response.to_json())
        self._db.execute("INSERT INTO responses VALUES (?, ?, ?, ?)", row)

    def get(self, keys: Iterable[str], *, since: float = 0.0) -> dict[str, Response]:
        """The latest response of each of ``keys`` that has one put at ``since`` or later.

        A row that cannot be read counts as none, so that its answer is generated anew.
        """
        wanted, latest = list(dict.fromkeys(keys)), dict[str, str]()
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT key, response FROM responses WHERE key IN ({marks}) "  # noqa: S608  # marks
                "AND created >= ? ORDER BY rowid",
                (*some, since),
            )
            latest.update(rows)
        found = {}
        for key, text in latest.items():
            with suppress(ValueError):
                found[key] = Response.from_json(text)
        return found

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, computed anew only when its size, its times or its place differ."""
        path, stat = path.resolve(), path.stat()
        state = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
        known = self._db.execute(
            "SELECT sha256 FROM files WHERE path = ? AND state = ?", (str(path), state)
        ).fetchone()
        if known is not None:
            return str(known[0])
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stat.st_ctime_ns > 2 * 10**9:  # a fresher file may change unseen
            row = (str(path), state, sha256)
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", row)
        return sha256
