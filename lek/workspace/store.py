"""Responses and votes by the key of all that decided them -> SQLite, each safe once it is put.

A response's key covers the subject's fingerprint (weights, tokenizer with its chat template,
numeric form, library versions; the day too, where the template writes it), the messages and the
decoding: these decide the rendered prompt and all that is done with it, so nothing is loaded to
look an answer up. A vote's key covers the judge, all that it was asked, and the number of the vote.
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
_AT_ONCE = 500  # SQLite allows 32,766 variables, once 999


def key_of(fingerprint: str, prompt: Any, decoding: dict[str, Any]) -> str:
    """SHA-256 over what decides an answer, as hexadecimal digits."""
    parts = json.dumps([fingerprint, prompt, decoding], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()


class Store:
    """The responses and votes of all runs. Several processes, and the threads of one, may use it.

    A response that was put survives the death of the process at any moment (WAL; after a power
    cut the last ones may be missing, and none is torn).
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._lock = RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait where two processes turn on the log at once
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
            fault = f"not a store: {e}; move the file away" if broken else f"cannot be used: {e}"
            raise BadInput(f"{path}: {fault}") from e

    def put(self, key: str, prompt: str, response: Response) -> None:
        """Keep ``response``; ``prompt`` is the text that the model was given, for people."""
        row = (key, time.time(), prompt, response.to_json())
        self.run("INSERT INTO responses VALUES (?, ?, ?, ?)", row)

    def get(self, keys: Iterable[str], *, since: float = 0.0) -> dict[str, Response]:
        """The latest response of each of ``keys`` that has one put at ``since`` or later.

        A row that cannot be read counts as none, so that its answer is generated anew.
        """
        return self._latest("responses", "response", keys, since, Response)

    def put_vote(self, key: str, vote: Vote) -> None:
        """Keep ``vote``."""
        self.run("INSERT INTO votes VALUES (?, ?, ?)", (key, time.time(), vote.to_json()))

    def votes(self, keys: Iterable[str], *, since: float = 0.0) -> dict[str, Vote]:
        """The latest vote of each of ``keys`` that has one put at ``since`` or later."""
        return self._latest("votes", "vote", keys, since, Vote)

    def run(self, statement: str, values: Iterable[Any]) -> list[Any]:
        """Carry out one statement of SQL, safe from the other threads; gives its rows."""
        with self._lock:
            return self._db.execute(statement, tuple(values)).fetchall()

    def close(self) -> None:
        """Close the file; nothing can be stored or looked up afterwards."""
        with self._lock:
            self._db.close()

    def _latest(
        self, table: str, column: str, keys: Iterable[str], since: float, kind: type[_R]
    ) -> dict[str, _R]:
        wanted, latest = list(dict.fromkeys(keys)), dict[str, str]()
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self.run(
                f"SELECT key, {column} FROM {table} WHERE key IN ({marks}) "  # noqa: S608  # ours
                "AND created >= ? ORDER BY rowid",
                (*some, since),
            )
            latest.update(rows)
        found = {}
        for key, text in latest.items():
            with suppress(ValueError):
                found[key] = kind.from_json(text)
        return found

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, computed anew only when its size, its times or its place differ."""
        path, stat = path.resolve(), path.stat()
        state = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
        known = self.run(
            "SELECT sha256 FROM files WHERE path = ? AND state = ?", (str(path), state)
        )
        if known:
            return str(known[0][0])
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stat.st_ctime_ns > 2 * 10**9:  # a fresher file may change unseen
            row = (str(path), state, sha256)
            self.run("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", row)
        return sha256
