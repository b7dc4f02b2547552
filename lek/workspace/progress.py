"""Work done -> a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from tqdm import tqdm

EVERY = 5.0  # seconds between two plain lines


class Task:
    """One piece of work of known size: cases to answer, steps to train."""

    def __init__(self, progress: "Progress", what: str, total: int, unit: str) -> None:
        self._progress, self._what, self._total, self._unit = progress, what, total, unit
        self._start = self._told = time.monotonic()
        self._done = self._tokens = 0
        self._bar = progress.bar(what, total, unit)

    def advance(self, by: int = 1) -> None:
        """``by`` more are done."""
        self._done += by
        self._show(by)

    def tokens(self, count: int) -> None:
        """``count`` more tokens were generated, for whatever is not done yet."""
        self._tokens += count
        self._show(0)

    def _show(self, by: int) -> None:
        if self._bar is not None:
            if self._tokens:
                self._bar.set_postfix_str(f"{self._rate():,.0f} tok/s", refresh=False)
            self._bar.update(by)
        elif time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            seconds = self._told - self._start
            left = ""
            if self._done:
                left = f", {seconds / self._done * (self._total - self._done):.0f} s left"
            self._progress.say(self._line() + left)

    def reach(self, done: int, total: int) -> None:
        """``done`` of ``total`` are done."""
        if total != self._total:
            self._total = total
            if self._bar is not None:
                self._bar.total = total
        if done > self._done:
            self.advance(done - self._done)

    def close(self) -> None:
        """Take the bar away and leave one line that says what was done."""
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
    """Shows tasks on standard error: on a terminal a bar with rate and time left, and then one
    line; elsewhere plain lines. ``plain`` forbids the bar, as where several processes write.
    ``shown`` is entered around work that is shown, to let it through what captures output.
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
        sys.stderr.write(f"lek: {line}\n")
        sys.stderr.flush()

    @contextmanager
    def task(self, what: str, total: int, unit: str) -> Iterator[Task]:
        """A task that is shown while the block runs."""
        task = Task(self, what, total, unit)
        try:
            yield task
        finally:
            task.close()

    @contextmanager
    def steps(self, of: str) -> Iterator[Callable[[str, int, int], None]]:
        """A function ``(what, done, total)`` for work on ``of`` that is done in several parts."""
        task: Task | None = None
        part = ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal task, part
            if task is None or what != part:
                if task is not None:
                    task.close()
                task, part = Task(self, f"{of}, {what}", total, "done"), what
            task.reach(done, total)

        try:
            yield tell
        finally:
            if task is not None:
                task.close()

    def bar(self, what: str, total: int, unit: str) -> Any:
        """A bar, where there is a terminal to draw it on; else ``None``."""
        if self._plain or not sys.stderr.isatty():
            return None
        form = "{desc} {bar} {n_fmt}/{total_fmt} {unit}, {remaining} left{postfix}"
        return tqdm(
            total=total,
            desc=f"lek: {what}",
            unit=unit,
            leave=False,
            dynamic_ncols=True,
            bar_format=form,
        )


class Silent(Progress):
    """Shows nothing."""

    def say(self, line: str) -> None:
        """Write nothing."""

    def bar(self, what: str, total: int, unit: str) -> None:
        """Draw nothing."""


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
