"""Usage of LLM judges in one session, stored with the votes: calls, costs, and claimed votes.

All processes of a session share it, so that they have one budget, no vote is paid for twice, and
costs are counted even if the verdict is lost.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from lek.profile.schema import APIJudgeSettings, JudgesConfig
from lek.providers.request import CANCELLED
from lek.workspace.store import Store

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS calls (session REAL PRIMARY KEY, made INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS usage (session REAL NOT NULL, subject TEXT NOT NULL, "
    "judge TEXT NOT NULL, requests INTEGER NOT NULL, prompt INTEGER, completion INTEGER, "
    "unread INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS asked (key TEXT, session REAL, pid INTEGER NOT NULL, why TEXT, "
    "pending INTEGER, PRIMARY KEY (key, session))",
)
_DAY = 86_400.0  # seconds; a session is identified by its start time


class UsageRow(NamedTuple):
    """Requests and tokens of one judge for one subject.

    Token counts are ``None`` if a reply did not report them. ``unread``: the number of requests
    whose reply was not read, such as after a time-out, so that its tokens are not known.
    """

    subject: str
    judge: str
    requests: int
    prompt_tokens: int | None
    completion_tokens: int | None
    unread: int = 0


class Claim(NamedTuple):
    """A vote that process ``pid`` requests.

    ``why``: the reason why there will be no vote, once that is known. ``pending``: whether a later
    run will ask for it again.
    """

    pid: int
    why: str | None
    pending: bool

    @property
    def left(self) -> bool:
        """Whether the process was closed or ended before it got the vote."""
        return self.why == CANCELLED or (self.why is None and not _alive(self.pid))


class Usage:
    """The usage of ``session``, a number unique to it: its start in seconds of the epoch.

    Creates the tables, and deletes claims of sessions that began more than a day earlier.
    """

    def __init__(self, store: Store, session: float) -> None:
        self._store, self._session = store, session
        for statement in _SCHEMA:
            store.run(statement, ())
        store.run("DELETE FROM asked WHERE session < ?", (session - _DAY,))

    def count_call(self, budget: int) -> bool:
        """Count one more call; false, and not counted, if ``budget`` calls were made already."""
        made = self._store.run(
            "INSERT INTO calls SELECT ?, 1 WHERE ? > 0 "
            "ON CONFLICT DO UPDATE SET made = made + 1 WHERE made < ? RETURNING made",
            (self._session, budget, budget),
        )
        return bool(made)

    def return_call(self) -> None:
        """Take back one call that `count_call` counted, since it was not made."""
        self._store.run("UPDATE calls SET made = made - 1 WHERE session = ?", (self._session,))

    def spend(self, row: UsageRow) -> None:
        """Store a part of the usage, such as that of one question."""
        self._store.run("INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)", (self._session, *row))

    def spent(self) -> list[UsageRow]:
        """The sums for each subject and judge, in alphabetical order.

        A sum of tokens is ``None`` if one of its counts is.
        """
        rows = self._store.run(
            "SELECT subject, judge, SUM(requests), "
            "CASE WHEN COUNT(*) = COUNT(prompt) THEN SUM(prompt) END, "
            "CASE WHEN COUNT(*) = COUNT(completion) THEN SUM(completion) END, SUM(unread) "
            "FROM usage WHERE session = ? GROUP BY subject, judge ORDER BY subject, judge",
            (self._session,),
        )
        return [UsageRow(*row) for row in rows]

    def claim(self, key: str) -> bool:
        """Claim the vote ``key`` for this process; false if it is claimed already."""
        row = (key, self._session, os.getpid())
        claimed = self._store.run(
            "INSERT OR IGNORE INTO asked VALUES (?, ?, ?, NULL, NULL) RETURNING pid", row
        )
        return bool(claimed)

    def give_up(self, key: str, why: str, *, pending: bool) -> None:
        """Record that there will be no vote ``key``, for other processes that wait for it."""
        self._store.run(
            "UPDATE asked SET why = ?, pending = ? WHERE key = ? AND session = ?",
            (why, pending, key, self._session),
        )

    def claimed(self, key: str) -> Claim | None:
        """The claim to the vote ``key``, if there is one."""
        rows = self._store.run(
            "SELECT pid, why, pending FROM asked WHERE key = ? AND session = ?",
            (key, self._session),
        )
        return next((Claim(pid, why, bool(pending)) for pid, why, pending in rows), None)

    def take_over(self, key: str, pid: int) -> bool:
        """Claim ``key`` instead of process ``pid``; false if another process did so first."""
        taken_over = self._store.run(
            "UPDATE asked SET pid = ?, why = NULL, pending = NULL "
            "WHERE key = ? AND session = ? AND pid = ? RETURNING pid",
            (os.getpid(), key, self._session, pid),
        )
        return bool(taken_over)


def _alive(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def cost(spent: Iterable[UsageRow], judges: JudgesConfig) -> dict[str, Any]:
    """The cost of judging, in total and by subject, as in ``run.json``.

    ``requests`` includes failed ones; stored votes cost nothing. ``unread`` is the number of
    requests whose reply was not read, for which the API may have charged too. ``money`` is an
    amount by currency, or ``None`` if a price or a token count is unknown; then ``reason`` says
    why. If two subjects give the same answer to a case, it is judged once and counted for one of
    them.
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
        "unread": sum(row.unread for row in rows),
        "prompt_tokens": _sum([row.prompt_tokens for row in rows]),
        "completion_tokens": _sum([row.completion_tokens for row in rows]),
        "money": None if reason else {k: round(v, 6) for k, v in money.items()},
        "reason": reason,
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None


def price(settings: APIJudgeSettings, prompt: int | None, completion: int | None) -> float | str:
    """The price of so many tokens in the judge's currency, or the reason why it is unknown.

    The prices in ``settings`` are per million tokens.
    """
    if settings.input_price is None or settings.output_price is None:
        return "the profile has no prices; set input_price and output_price"
    if prompt is None or completion is None:
        return "the API did not report how many tokens it used"
    return (prompt * settings.input_price + completion * settings.output_price) / 1e6
