"""What judges were asked in one session, kept beside the votes: calls, costs, who asks what.

All processes of a session share it, so that a budget holds for them together, nothing is paid
twice, and what was paid is counted even where its verdict is lost.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from lek.profile.schema import APIJudgeSettings, JudgesConfig
from lek.providers.request import CANCELLED
from lek.workspace.store import Store

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS calls (session REAL PRIMARY KEY, made INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS spent (session REAL NOT NULL, subject TEXT NOT NULL, "
    "judge TEXT NOT NULL, requests INTEGER NOT NULL, prompt INTEGER, completion INTEGER)",
    "CREATE TABLE IF NOT EXISTS asked (key TEXT, session REAL, pid INTEGER NOT NULL, why TEXT, "
    "pending INTEGER, PRIMARY KEY (key, session))",
)
_DAY = 86_400.0  # seconds; sessions are named by when they began


class UsageRow(NamedTuple):
    """What one judge cost for one subject; tokens are ``None`` where a reply did not say."""

    subject: str
    judge: str
    requests: int
    prompt_tokens: int | None
    completion_tokens: int | None


class Claim(NamedTuple):
    """A question that process ``pid`` asks; ``why`` it has no vote, once that is known."""

    pid: int
    why: str | None
    pending: bool

    @property
    def left(self) -> bool:
        """Whether the process ended, or was ended, before it could ask."""
        return self.why == CANCELLED or (self.why is None and not _alive(self.pid))


class Usage:
    """The usage of ``session``, a number that no other session has."""

    def __init__(self, store: Store, session: float) -> None:
        self._store, self._session = store, session
        for statement in _SCHEMA:
            store.run(statement, ())
        store.run("DELETE FROM asked WHERE session < ?", (session - _DAY,))

    def count_call(self, most: int) -> bool:
        """Whether one call more may be made, of at most ``most``; it is counted."""
        taken = self._store.run(
            "INSERT INTO calls SELECT ?, 1 WHERE ? > 0 "
            "ON CONFLICT DO UPDATE SET made = made + 1 WHERE made < ? RETURNING made",
            (self._session, most, most),
        )
        return bool(taken)

    def spend(self, spent: UsageRow) -> None:
        """Put down what was paid for one question."""
        self._store.run("INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)", (self._session, *spent))

    def spent(self) -> list[UsageRow]:
        """The sum for each subject and judge, in alphabetical order."""
        rows = self._store.run(
            "SELECT subject, judge, SUM(requests), "
            "CASE WHEN COUNT(*) = COUNT(prompt) THEN SUM(prompt) END, "
            "CASE WHEN COUNT(*) = COUNT(completion) THEN SUM(completion) END "
            "FROM spent WHERE session = ? GROUP BY subject, judge ORDER BY subject, judge",
            (self._session,),
        )
        return [UsageRow(*row) for row in rows]

    def claim(self, key: str) -> bool:
        """Whether this process is the one to ask for the vote ``key``."""
        row = (key, self._session, os.getpid())
        made = self._store.run(
            "INSERT OR IGNORE INTO asked VALUES (?, ?, ?, NULL, NULL) RETURNING pid", row
        )
        return bool(made)

    def give_up(self, key: str, why: str, *, pending: bool) -> None:
        """Tell the other processes that the vote ``key`` will not come."""
        self._store.run(
            "UPDATE asked SET why = ?, pending = ? WHERE key = ? AND session = ?",
            (why, pending, key, self._session),
        )

    def claimed(self, key: str) -> Claim | None:
        """Who asks for the vote ``key``, and what came of it."""
        rows = self._store.run(
            "SELECT pid, why, pending FROM asked WHERE key = ? AND session = ?",
            (key, self._session),
        )
        return next((Claim(pid, why, bool(pending)) for pid, why, pending in rows), None)

    def take_over(self, key: str, pid: int) -> bool:
        """Claim ``key`` in the place of process ``pid``; false if somebody else was faster."""
        made = self._store.run(
            "UPDATE asked SET pid = ?, why = NULL, pending = NULL "
            "WHERE key = ? AND session = ? AND pid = ? RETURNING pid",
            (os.getpid(), key, self._session, pid),
        )
        return bool(made)


def _alive(pid: int) -> bool:
    """Whether a process still runs: one that died but was not waited for yet does not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def cost(spent: Iterable[UsageRow], judges: JudgesConfig) -> dict[str, Any]:
    """In sum and per subject, for ``run.json``.

    ``requests`` counts those that failed too; what came from the store cost nothing. ``money`` is
    by currency; it is ``None``, and ``reason`` says why, where a price or a number of tokens is not
    known. An answer that two subjects share is judged once, and counted for one of them.
    """
    rows = list(spent)
    subjects = {s: _entry([r for r in rows if r.subject == s], judges) for s, *_ in rows}
    return _entry(rows, judges) | {"subjects": subjects}


def _entry(rows: list[UsageRow], judges: JudgesConfig) -> dict[str, Any]:
    money: dict[str, float] = {}
    reason = None
    for row in rows:
        settings = judges.settings(row.judge)
        if not isinstance(settings, APIJudgeSettings):
            continue  # a judge in this process has no price
        amount = price(settings, row.prompt_tokens, row.completion_tokens)
        if isinstance(amount, str):
            reason = f"{row.judge}: {amount}"
        else:
            money[settings.currency] = money.get(settings.currency, 0.0) + amount
    return {
        "requests": sum(row.requests for row in rows),
        "prompt_tokens": _sum([row.prompt_tokens for row in rows]),
        "completion_tokens": _sum([row.completion_tokens for row in rows]),
        "money": None if reason else {k: round(v, 6) for k, v in money.items()},
        "reason": reason,
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None


def price(settings: APIJudgeSettings, prompt: int | None, completion: int | None) -> float | str:
    """What so many tokens cost, in the judge's currency, or why that is not known."""
    if settings.input_price is None or settings.output_price is None:
        return "the profile gives no prices (input_price, output_price)"
    if prompt is None or completion is None:
        return "the API did not say how many tokens it used"
    return (prompt * settings.input_price + completion * settings.output_price) / 1e6
