"""Claims: which process requests a vote, so that no other process pays for it too."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lek.providers.request import CANCELLED
from lek.workspace.presence import Presence, is_present
from lek.workspace.store import Store

_SCHEMA = """\
CREATE TABLE IF NOT EXISTS claims (
    key TEXT NOT NULL, scope TEXT NOT NULL, process TEXT NOT NULL, session TEXT NOT NULL,
    why TEXT, pending INTEGER, PRIMARY KEY (key, scope)
)"""


class Claim(NamedTuple):
    """A vote that a process requests.

    ``why``: the reason why there will be no vote, once that is known. ``pending``: whether a later
    run will ask for it again. ``left``: whether this process may request the vote instead: the
    other one ended or was closed, or it failed in another session.
    """

    process: str
    why: str | None
    pending: bool
    left: bool


class Claims:
    """The claims to votes in the store of a ``session``, from this and other processes.

    ``processes``: the directory in which processes show their presence. ``presence``: called for
    that of this process. ``scope``: claims to the same vote conflict only within a scope. Deletes
    the claims of processes that have ended, unless they are of this session.
    """

    def __init__(
        self,
        store: Store,
        session: str,
        processes: Path,
        presence: Callable[[], Presence],
        *,
        scope: str = "",
    ) -> None:
        self._store, self._session, self._scope = store, session, scope
        self._processes, self._presence = processes, presence
        store.run(_SCHEMA, ())
        others = store.run("SELECT DISTINCT process FROM claims WHERE session != ?", (session,))
        for (process,) in others:
            if not is_present(processes, process):
                store.run("DELETE FROM claims WHERE process = ?", (process,))

    def claim(self, key: str) -> bool:
        """Claim the vote ``key`` for this process; false if another one requests it."""
        row = (key, self._scope, self._presence().id, self._session)
        claimed = self._store.run(
            "INSERT INTO claims VALUES (?, ?, ?, ?, NULL, NULL) ON CONFLICT DO UPDATE "
            "SET process = excluded.process, session = excluded.session, why = NULL "
            "WHERE why IS NOT NULL AND session != excluded.session RETURNING process",
            row,
        )
        return bool(claimed)

    def settle(self, key: str) -> None:
        """Delete the claim of this process to the vote ``key``: it is stored, or not requested."""
        row = (key, self._scope, self._presence().id)
        self._store.run("DELETE FROM claims WHERE key = ? AND scope = ? AND process = ?", row)

    def give_up(self, key: str, why: str, *, pending: bool) -> None:
        """Record that there will be no vote ``key``, for other processes that wait for it."""
        self._store.run(
            "UPDATE claims SET why = ?, pending = ? WHERE key = ? AND scope = ? AND process = ?",
            (why, pending, key, self._scope, self._presence().id),
        )

    def get(self, key: str) -> Claim | None:
        """The claim to the vote ``key``, if there is one."""
        rows = self._store.run(
            "SELECT process, session, why, pending FROM claims WHERE key = ? AND scope = ?",
            (key, self._scope),
        )
        for process, session, why, pending in rows:
            if why is None:
                left = not is_present(self._processes, process)
            else:
                left = why == CANCELLED or session != self._session
            return Claim(process, why, bool(pending), left)
        return None

    def take_over(self, key: str, claim: Claim) -> bool:
        """Claim ``key`` instead of the process of ``claim``; false if another one was faster."""
        taken_over = self._store.run(
            "UPDATE claims SET process = ?, session = ?, why = NULL, pending = NULL "
            "WHERE key = ? AND scope = ? AND process = ? AND why IS ? RETURNING process",
            (self._presence().id, self._session, key, self._scope, claim.process, claim.why),
        )
        return bool(taken_over)
