"""What judges have to say from their threads -> lines that the main thread shows when it can."""

import time
from collections import deque

from lek.progress import Progress

_EVERY = 10.0  # seconds between two lines on what is left


class Notices:
    """Lines that wait to be shown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: deque[str] = deque()
        self._told = time.monotonic()

    def add(self, line: str) -> None:
        """Have ``line`` shown, from any thread."""
        self._lines.append(line)

    def taken(self) -> list[str]:
        """The lines that nobody has seen yet."""
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def show(self) -> None:
        """Write them, past what captures output."""
        if self._lines:
            with self._progress.shown():
                for line in self.taken():
                    self._progress.say(line)

    def waiting(self, kind: str, left: int) -> None:
        """Somebody waits for a judge that has about ``left`` questions to go."""
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            self.add(f"{kind} judge: {left} questions wait for a reply")
        self.show()
