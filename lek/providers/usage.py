"""Usage of APIs in one session, kept in the store: calls, requests, tokens and costs.

All processes of a session share it, so that they have one budget, and costs are counted even if the
verdict is lost.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lek.profile.schema import APISettings, Section
from lek.workspace.store import Store

ANSWERS = "answers"  # in the place of a judge: requests for the answers of a served subject

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sessions "
    "(session TEXT PRIMARY KEY, calls INTEGER NOT NULL, stopped INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS usage (session TEXT NOT NULL, subject TEXT NOT NULL, "
    "judge TEXT NOT NULL, requests INTEGER NOT NULL, prompt INTEGER, completion INTEGER, "
    "unread INTEGER NOT NULL)",
)
_UNLIMITED = 2**62  # calls


class UsageRow(NamedTuple):
    """Requests and tokens of one judge for one subject, or for the subject's own `ANSWERS`.

    Token counts are ``None`` if a reply did not report them. ``unread``: the number of requests
    whose reply was not read, such as after a time-out, so that its tokens are not known.
    """

    subject: str
    judge: str
    requests: int
    prompt_tokens: int | None
    completion_tokens: int | None
    unread: int = 0


class Usage:
    """The usage of ``session`` in the store. Creates the tables."""

    def __init__(self, store: Store, session: str) -> None:
        self._store, self._session = store, session
        for statement in _SCHEMA:
            store.run(statement, ())

    def count_call(self, budget: int | None) -> bool:
        """Count one more call; false if ``budget`` calls were made, or the session was stopped."""
        most = _UNLIMITED if budget is None else budget
        counted = self._store.run(
            "INSERT INTO sessions SELECT ?, 1, 0 WHERE ? > 0 ON CONFLICT DO UPDATE "
            "SET calls = calls + 1 WHERE NOT stopped AND calls < ? RETURNING calls",
            (self._session, most, most),
        )
        return bool(counted)

    def stop(self) -> None:
        """Allow no more calls in this session, in none of its processes."""
        self._store.run(
            "INSERT INTO sessions VALUES (?, 0, 1) ON CONFLICT DO UPDATE SET stopped = 1",
            (self._session,),
        )

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        rows = self._store.run("SELECT stopped FROM sessions WHERE session = ?", (self._session,))
        return any(stopped for (stopped,) in rows)

    def return_call(self) -> None:
        """Take back one call that `count_call` counted, since it was not made."""
        self._store.run("UPDATE sessions SET calls = calls - 1 WHERE session = ?", (self._session,))

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


SettingsOf = Callable[[UsageRow], Section | None]


def cost(spent: Iterable[UsageRow], settings_of: SettingsOf) -> dict[str, Any]:
    """The cost of judging or answering, in total and by subject, as in ``run.json``.

    ``settings_of``: returns the settings of the judge or of the served subject of a row.

    ``requests`` includes failed ones; stored votes cost nothing. ``unread`` is the number of
    requests whose reply was not read, for which the API may have charged too. ``money`` is an
    amount by currency, or ``None`` if a price or a token count is unknown; then ``reason`` says
    why. If two subjects give the same answer to a case, it is judged once and counted for one of
    them.
    """
    rows = list(spent)
    subjects = {s: _entry([r for r in rows if r.subject == s], settings_of) for s, *_ in rows}
    return _entry(rows, settings_of) | {"subjects": subjects}


def _entry(rows: list[UsageRow], settings_of: SettingsOf) -> dict[str, Any]:
    money: dict[str, float] = {}
    reason = None
    for row in rows:
        settings = settings_of(row)
        if not isinstance(settings, APISettings):
            continue  # a judge in this process has no price
        amount = price(settings, row.prompt_tokens, row.completion_tokens)
        if isinstance(amount, str):
            reason = f"{row.subject if row.judge == ANSWERS else row.judge}: {amount}"
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


def price(settings: APISettings, prompt: int | None, completion: int | None) -> float | str:
    """The price of so many tokens in the currency of ``settings``, or the reason why it is unknown.

    The prices in ``settings`` are per million tokens.
    """
    if settings.input_price is None or settings.output_price is None:
        return "the profile has no prices; set input_price and output_price"
    if prompt is None or completion is None:
        return "the API did not report how many tokens it used"
    return (prompt * settings.input_price + completion * settings.output_price) / 1e6
