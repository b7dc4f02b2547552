"""SQLite store of responses and votes, each under a key of everything that determines it.

The key of a response covers the subject's fingerprint (weights, tokenizer with its chat template,
numeric format, library versions; also the date, if the template contains it), the messages and the
decoding. These determine the rendered prompt and how it is processed, so no model has to be loaded
to look up an answer. The key of a vote covers the judge, its whole prompt, and the number of the
vote. Rows of responses and votes are added, never changed. The file also caches digests of large
files, by size, times and inode.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from lek.errors import BadInput
from lek.records import Record, Response, Vote

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT NOT NULL, created REAL NOT NULL, prompt TEXT NOT NULL, response TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS response_by_key ON responses (key);
CREATE TABLE IF NOT EXISTS votes (
    key TEXT NOT NULL, created REAL NOT NULL, vote TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS vote_by_key ON votes (key);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL
);
"""
_R = TypeVar("_R", bound=Record)
_KEYS_PER_QUERY = 500  # SQLite allows 32,766 variables, older versions 999


def key_of(fingerprint: str, prompt: Any, decoding: dict[str, Any]) -> str:
    """SHA-256 over what determines a response or a vote, as hexadecimal digits."""
    parts = json.dumps([fingerprint, prompt, decoding], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()


class Store:
    """The responses and votes of all runs; may be used by several processes and threads at once.

    A stored row survives if the process is killed at any moment (write-ahead log). After a power
    failure the last rows may be missing, but none is corrupt. Raises `BadInput` if the file cannot
    be opened.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._lock = RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait if two processes turn on the write-ahead log at once
            with FileLock(path.with_suffix(".lock")):
                self._db = sqlite3.connect(
                    path, timeout=60, isolation_level=None, check_same_thread=False
                )
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
        except OSError as e:
            raise BadInput(f"{path}: cannot be written: {e.strerror or e}") from e
        except sqlite3.Error as e:
            broken = getattr(e, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT")
            problem = f"not a store: {e}; move the file away" if broken else f"cannot be used: {e}"
            raise BadInput(f"{path}: {problem}") from e

    def put(self, key: str, prompt: str, response: Response) -> None:
        """Store ``response``; ``prompt`` is the rendered prompt, for human readers."""
        row = (key, time.time(), prompt, response.to_json())
        self.run("INSERT INTO responses VALUES (?, ?, ?, ?)", row)

    def get(self, keys: Iterable[str], *, since: float = 0.0) -> dict[str, Response]:
        """The latest response for each of ``keys`` that has one, stored at ``since`` or later.

        ``since`` is in seconds of the epoch. A row that cannot be decoded is ignored, so that its
        answer is generated again.
        """
        return self._latest("responses", "response", keys, since, Response)

    def put_vote(self, key: str, vote: Vote) -> None:
        """Store ``vote``."""
        self.run("INSERT INTO votes VALUES (?, ?, ?)", (key, time.time(), vote.to_json()))

    def votes(self, keys: Iterable[str], *, since: float = 0.0) -> dict[str, Vote]:
        """The latest vote for each of ``keys`` that has one, stored at ``since`` or later."""
        return self._latest("votes", "vote", keys, since, Vote)

    def run(self, statement: str, values: Iterable[Any]) -> list[Any]:
        """Execute one SQL statement and return its rows; safe to call from several threads."""
        with self._lock:
            return self._db.execute(statement, tuple(values)).fetchall()

    def close(self) -> None:
        """Close the file; nothing can be stored or looked up afterwards."""
        with self._lock:
            self._db.close()

    def _latest(
        self, table: str, column: str, keys: Iterable[str], since: float, kind: type[_R]
    ) -> dict[str, _R]:
        unique_keys, latest = list(dict.fromkeys(keys)), dict[str, str]()
        for start in range(0, len(unique_keys), _KEYS_PER_QUERY):
            batch = unique_keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(batch))
            rows = self.run(
                # the table and the column are constants of this module
                f"SELECT key, {column} FROM {table} WHERE key IN ({marks}) "  # noqa: S608
                "AND created >= ? ORDER BY rowid",
                (*batch, since),
            )
            latest.update(rows)
        records = {}
        for key, text in latest.items():
            with suppress(ValueError):
                records[key] = kind.from_json(text)
        return records

    def digest(self, path: Path) -> str:
        """SHA-256 of the file ``path``, computed again only if its size, times or inode change."""
        path, stat = path.resolve(), path.stat()
        state = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
        cached = self.run(
            "SELECT sha256 FROM files WHERE path = ? AND state = ?", (str(path), state)
        )
        if cached:
            return str(cached[0][0])
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        # A file that is newer could change again within the resolution of its time stamp.
        if time.time_ns() - stat.st_ctime_ns > 2 * 10**9:
            row = (str(path), state, sha256)
            self.run("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", row)
        return sha256
