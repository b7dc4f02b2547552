"""SQLite store of responses and votes, each under a key of everything that determines it.

The key of a response covers the subject's fingerprint (weights, tokenizer with its chat template,
numeric format, library versions; also the date, if the template contains it), the messages and the
decoding. These determine the rendered prompt and how it is processed, so no model has to be loaded
to look up an answer. The fingerprint of a served model covers only its address and its name. The
key of a vote covers the judge, its whole prompt, and the number of the vote. Rows of responses and
votes are added, never changed. The file also caches digests of large files, by size, times and
inode, and which checks of models passed.
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

from lek.errors import StoreError
from lek.records import Record, Response, Vote

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT NOT NULL, created REAL NOT NULL, prompt TEXT NOT NULL, response TEXT NOT NULL,
    session TEXT
);
CREATE INDEX IF NOT EXISTS response_by_key ON responses (key);
CREATE TABLE IF NOT EXISTS votes (
    key TEXT NOT NULL, created REAL NOT NULL, vote TEXT NOT NULL, session TEXT
);
CREATE INDEX IF NOT EXISTS vote_by_key ON votes (key);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS passed (key TEXT PRIMARY KEY);
"""
_WITH_SESSION = ("responses", "votes")  # tables that had no column for it in early versions
_R = TypeVar("_R", bound=Record)
_PATIENCE = 60.0  # seconds to wait for another process that writes
_KEYS_PER_QUERY = 500  # SQLite allows 32,766 variables, older versions 999


_PROBLEMS = {
    "SQLITE_NOTADB": "not a store",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_BUSY": "locked by another process",
    "SQLITE_LOCKED": "locked by another process",
    "SQLITE_FULL": "no space is left",
    "SQLITE_READONLY": "cannot be written",
}
_REMEDIES = {
    "SQLITE_NOTADB": "move the file away; answers and votes are made again",
    "SQLITE_CORRUPT": "move the file away; answers and votes are made again",
    "SQLITE_BUSY": "end that process, or repeat the command later",
    "SQLITE_LOCKED": "end that process, or repeat the command later",
}


def _problem(error: sqlite3.Error) -> str:
    """What is wrong with the file, and what to do."""
    # extended codes such as SQLITE_BUSY_RECOVERY begin with the name of the code
    code = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    problem = _PROBLEMS.get(code, "cannot be used")
    return f"{problem}: {error}; {_REMEDIES.get(code, 'check the directory and the disk')}"


def key_of(fingerprint: str, prompt: Any, decoding: dict[str, Any]) -> str:
    """SHA-256 over what determines a response or a vote, as hexadecimal digits."""
    parts = json.dumps([fingerprint, prompt, decoding], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()


class Store:
    """The responses and votes of all runs; may be used by several processes and threads at once.

    A stored row survives if the process is killed at any moment (write-ahead log). After a power
    failure the last rows may be missing, but none is corrupt. ``session``: names the session in
    the rows that it adds. All methods raise `StoreError` if the file cannot be used.
    """

    def __init__(self, path: Path, session: str = "") -> None:
        from filelock import FileLock

        self._path, self._session, self._lock = path, session, RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait if two processes turn on the write-ahead log at once
            with FileLock(path.with_suffix(".lock")):
                self._db = sqlite3.connect(
                    path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
                for table in _WITH_SESSION:
                    columns = self._db.execute(f"PRAGMA table_info({table})").fetchall()
                    if all(name != "session" for _, name, *_ in columns):
                        self._db.execute(f"ALTER TABLE {table} ADD COLUMN session TEXT")
        except OSError as e:
            raise StoreError(f"{path}: cannot be written: {e.strerror or e}") from e
        except sqlite3.Error as e:
            raise StoreError(f"{path}: {_problem(e)}") from e

    def put(self, key: str, prompt: str, response: Response) -> None:
        """Store ``response``.

        ``prompt``: the rendered prompt (of a served model the messages as JSON), for human readers.
        """
        row = (key, time.time(), prompt, response.to_json(), self._session)
        self.run("INSERT INTO responses VALUES (?, ?, ?, ?, ?)", row)

    def get(self, keys: Iterable[str], *, fresh: bool = False) -> dict[str, Response]:
        """The latest response for each of ``keys`` that has one; ``fresh``: of this session only.

        A row that cannot be decoded is ignored, so that its answer is generated again.
        """
        return self._latest("responses", "response", keys, Response, fresh=fresh)

    def prompts(self, keys: Iterable[str]) -> dict[str, str]:
        """The prompt that was stored with the latest response for each of ``keys``."""
        return self._texts("responses", "prompt", keys)

    def put_vote(self, key: str, vote: Vote) -> None:
        """Store ``vote``."""
        row = (key, time.time(), vote.to_json(), self._session)
        self.run("INSERT INTO votes VALUES (?, ?, ?, ?)", row)

    def votes(self, keys: Iterable[str], *, fresh: bool = False) -> dict[str, Vote]:
        """The latest vote for each of ``keys`` that has one; ``fresh``: of this session only."""
        return self._latest("votes", "vote", keys, Vote, fresh=fresh)

    def run(self, statement: str, values: Iterable[Any]) -> list[Any]:
        """Execute one SQL statement and return its rows; safe to call from several threads."""
        try:
            with self._lock:
                return self._db.execute(statement, tuple(values)).fetchall()
        except sqlite3.Error as e:
            raise StoreError(f"{self._path}: {_problem(e)}") from e

    def close(self) -> None:
        """Move all rows from the log to the file and close it; nothing can be stored afterwards."""
        with self._lock, suppress(sqlite3.Error):  # the log is kept, and read by the next session
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with self._lock:
            self._db.close()

    def _latest(
        self, table: str, column: str, keys: Iterable[str], kind: type[_R], *, fresh: bool
    ) -> dict[str, _R]:
        records = {}
        for key, text in self._texts(table, column, keys, fresh=fresh).items():
            with suppress(ValueError):
                records[key] = kind.from_json(text)
        return records

    def _texts(
        self, table: str, column: str, keys: Iterable[str], *, fresh: bool = False
    ) -> dict[str, str]:
        only_fresh = "AND session = ? " if fresh else ""
        unique_keys, latest = list(dict.fromkeys(keys)), dict[str, str]()
        for start in range(0, len(unique_keys), _KEYS_PER_QUERY):
            batch = unique_keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(batch))
            rows = self.run(
                # the table and the column are constants of this module
                f"SELECT key, {column} FROM {table} WHERE key IN ({marks}) "  # noqa: S608
                f"{only_fresh}ORDER BY rowid",
                (*batch, self._session) if fresh else batch,
            )
            latest.update(rows)
        return latest

    def passed(self, key: str) -> bool:
        """Whether the check with ``key``, which covers all that it depends on, has passed."""
        return bool(self.run("SELECT 1 FROM passed WHERE key = ?", (key,)))

    def put_passed(self, key: str) -> None:
        """Store that the check with ``key`` passed."""
        self.run("INSERT OR IGNORE INTO passed VALUES (?)", (key,))

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
