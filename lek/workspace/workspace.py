"""Where models are built and responses stored, and how this process shares it with others."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lek.workspace.progress import Progress
from lek.workspace.store import Store


@dataclass(frozen=True)
class Workspace:
    """Where models are built and answers stored: ``home``, the ``.lek`` of a project.

    ``since`` (seconds of the epoch) leaves aside what was stored earlier. ``share`` is the number
    of processes at the same work, ``session`` what they are told apart from others by, and
    ``calls`` how many calls to judges they may make (``None``: any number). Where it is ``dry``
    nothing will be generated or judged.
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
        """The one store of this process, opened at first need."""
        return Store(self.home / "store.sqlite3")

    def close(self) -> None:
        """Close the store, if it was opened."""
        if "store" in vars(self):
            self.store.close()
