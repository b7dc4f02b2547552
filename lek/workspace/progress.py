"""Progress on standard error: a bar on a terminal, else a plain line every few seconds."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from tqdm import tqdm

from lek.errors import printable

EVERY = 5.0  # seconds between two plain lines


class Task:
    """Work of known size, such as cases to answer or steps to train."""

    def __init__(self, progress: "Progress", what: str, total: int, unit: str) -> None:
        self._progress, self._what, self._total, self._unit = progress, what, total, unit
        self._start = self._last_line = time.monotonic()
        self._done = self._tokens = 0
        self._bar = progress.bar(what, total, unit)

    def advance(self, by: int = 1) -> None:
        """Count ``by`` more units as done."""
        self._done += by
        self._show(by)

    def tokens(self, count: int) -> None:
        """Count ``count`` more generated tokens, also of units that are not done yet."""
        self._tokens += count
        self._show(0)

    def _show(self, by: int) -> None:
        if self._bar is not None:
            if self._tokens:
                self._bar.set_postfix_str(f"{self._rate():,.0f} tok/s", refresh=False)
            self._bar.update(by)
        elif time.monotonic() - self._last_line >= EVERY:
            self._last_line = time.monotonic()
            seconds = self._last_line - self._start
            remaining = ""
            if self._done:
                remaining = f", {seconds / self._done * (self._total - self._done):.0f} s left"
            self._progress.say(self._line() + remaining)

    def reach(self, done: int, total: int) -> None:
        """Set the number of units that are ``done``, and their ``total``."""
        if total != self._total:
            self._total = total
            if self._bar is not None:
                self._bar.total = total
        if done > self._done:
            self.advance(done - self._done)

    def close(self) -> None:
        """Remove the bar and write one line with the number of units, the rate and the time."""
        if self._bar is not None:
            self._bar.close()
        if self._done:
            seconds = time.monotonic() - self._start
            self._progress.say(f"{self._line()}, {seconds:.1f} s")

    def _rate(self) -> float:
        return self._tokens / max(time.monotonic() - self._start, 1e-9)

    def _line(self) -> str:
        rate = f", {self._rate():,.0f} tok/s" if self._tokens else ""
        return f"{self._what}: {self._done}/{self._total} {self._unit}{rate}"


class Progress:
    """Shows tasks on standard error.

    On a terminal a task is a bar with the rate and the remaining time, and one line at its end;
    elsewhere it is plain lines. ``plain``: never draw a bar, because several processes write.
    ``shown``: a context manager to enter around work that is shown, which suspends the capturing
    of output.
    """

    def __init__(
        self,
        *,
        plain: bool = False,
        shown: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._plain, self.shown = plain, shown

    def say(self, line: str) -> None:
        """Write one line."""
        sys.stderr.write(f"lek: {printable(line)}\n")
        sys.stderr.flush()

    @contextmanager
    def task(self, what: str, total: int, unit: str) -> Iterator[Task]:
        """Show a task while the block runs. ``what`` names it; ``unit`` is a plural noun."""
        task = Task(self, what, total, unit)
        try:
            yield task
        finally:
            task.close()

    @contextmanager
    def steps(self, of: str) -> Iterator[Callable[[str, int, int], None]]:
        """Yield a function ``(what, done, total)`` to report work on ``of`` in several parts.

        Each new ``what`` starts a task of its own.
        """
        task: Task | None = None
        part = ""

        def report(what: str, done: int, total: int) -> None:
            nonlocal task, part
            if task is None or what != part:
                if task is not None:
                    task.close()
                task, part = Task(self, f"{of}, {what}", total, "done"), what
            task.reach(done, total)

        try:
            yield report
        finally:
            if task is not None:
                task.close()

    def bar(self, what: str, total: int, unit: str) -> Any:
        """A bar of `tqdm`; ``None`` without a terminal to draw it on."""
        if self._plain or not sys.stderr.isatty():
            return None
        bar_format = "{desc} {bar} {n_fmt}/{total_fmt} {unit}, {remaining} left{postfix}"
        return tqdm(
            total=total,
            desc=f"lek: {what}",
            unit=unit,
            leave=False,
            dynamic_ncols=True,
            bar_format=bar_format,
        )


class Silent(Progress):
    """Shows nothing."""

    def say(self, line: str) -> None:
        """Write nothing."""

    def bar(self, what: str, total: int, unit: str) -> None:
        """Draw nothing."""


_NOTICE_INTERVAL = 10.0  # seconds between two lines about pending questions


class Notices:
    """Lines to be shown later, added from any thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: deque[str] = deque()
        self._last_notice = time.monotonic()

    def add(self, line: str) -> None:
        """Add ``line``; may be called from any thread."""
        self._lines.append(line)

    def taken(self) -> list[str]:
        """Remove and return the lines that have not been shown."""
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def show(self) -> None:
        """Write the lines with output capturing suspended."""
        if self._lines:
            with self._progress.shown():
                for line in self.taken():
                    self._progress.say(line)

    def waiting(self, kind: str, left: int) -> None:
        """Report, at most every 10 s, that the judge ``kind`` has about ``left`` questions left."""
        if time.monotonic() - self._last_notice >= _NOTICE_INTERVAL:
            self._last_notice = time.monotonic()
            plural = "" if left == 1 else "s"
            self.add(f"{kind} judge: waiting for the reply to {left} question{plural}")
        self.show()
