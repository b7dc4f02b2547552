"""The directory of built models and stored responses, as one process of a session uses it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lek.workspace.progress import Progress
from lek.workspace.store import Store


@dataclass(frozen=True)
class Workspace:
    """The directory ``home`` (``.lek`` in a project), where models and responses are stored.

    ``since``: responses and votes stored before this time (seconds of the epoch) are ignored.
    ``share``: the number of processes of the session. ``session``: identifies the session, the same
    in all its processes. ``calls``: the number of calls to judges that the session may make, or
    ``None`` for any number. ``dry``: nothing is generated or judged.
    """

    home: Path
    progress: Progress
    since: float = 0.0
    share: int = 1
    session: float = 0.0
    calls: int | None = None
    dry: bool = False

    @cached_property
    def store(self) -> Store:
        """The only store of this process, opened at first use."""
        return Store(self.home / "store.sqlite3")

    def close(self) -> None:
        """Close the store, if it was opened."""
        if "store" in vars(self):
            self.store.close()
