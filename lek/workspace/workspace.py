"""The directory of built models and stored responses, as one process of a session uses it."""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from lek.workspace.presence import Presence
from lek.workspace.progress import Progress
from lek.workspace.store import Store


def new_session() -> str:
    """An identifier that no other session has."""
    return uuid4().hex


@dataclass(frozen=True)
class Workspace:
    """The directory ``home`` (``.lek`` in a project), where models and responses are stored.

    ``fresh``: responses and votes of earlier sessions are ignored. ``share``: the number of
    processes of the session. ``session``: identifies the session, the same in all its processes.
    ``calls``: the number of calls to judges that the session may make, or ``None`` for any number.
    ``dry``: nothing is generated or judged.
    """

    home: Path
    progress: Progress
    fresh: bool = False
    share: int = 1
    session: str = field(default_factory=new_session)
    calls: int | None = None
    dry: bool = False

    @cached_property
    def store(self) -> Store:
        """The only store of this process, opened at first use."""
        store = Store(self.home / "store.sqlite3", self.session)
        self.ignore()
        return store

    def ignore(self) -> None:
        """Let git ignore the directory, if it exists, by a file in it."""
        file = self.home / ".gitignore"
        if self.home.is_dir() and not file.exists():
            with suppress(OSError):  # git then shows the directory, which harms nothing
                file.write_text("*\n", encoding="utf-8")

    @property
    def processes(self) -> Path:
        """The directory in which processes show their presence."""
        return self.home / "processes"

    @cached_property
    def presence(self) -> Presence:
        """The presence of this process, which begins at first use and ends with `close`."""
        return Presence(self.processes)

    def close(self) -> None:
        """Close what was opened."""
        if "store" in vars(self):
            self.store.close()
        if "presence" in vars(self):
            self.presence.close()
