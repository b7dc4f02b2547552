"""The terminal's lists of failures, in which cases that fail for the same reason are one entry."""

import copy
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from lek.plugin.controller import CASE

_CATEGORIES = ("failed", "error")


class Failures:
    """The plugin that groups failures while the terminal reporter writes its summary.

    The counts in pytest's last line, JUnit, HTML and ``--lf`` are of all tests.
    """

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around the terminal reporter's wrapper
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, Any, Any]:
        stats = terminalreporter.stats
        originals = {c: stats[c] for c in _CATEGORIES if c in stats}
        groups = {category: grouped(reports) for category, reports in originals.items()}
        stats.update({category: list(reports) for category, reports in groups.items()})
        try:
            return (yield)
        finally:
            for category, reports in originals.items():
                further = stats[category][len(groups[category]) :]  # such as those of gates
                stats[category] = [*reports, *further]


def grouped(reports: Iterable[Any]) -> list[Any]:
    """``reports``, in which the first of several cases that failed alike stands for all."""
    groups: dict[object, list[Any]] = {}
    for report in reports:
        groups.setdefault(_reason(report) or id(report), []).append(report)
    return [_joined(group) if len(group) > 1 else group[0] for group in groups.values()]


def _reason(report: Any) -> tuple[str, str] | None:
    """When and why a case failed; ``None`` if the report is of something else."""
    if not any(name == CASE for name, _ in getattr(report, "user_properties", ())):
        return None
    message = _message(report.longrepr)
    return None if message is None else (report.when, message)


def _message(failure: Any) -> str | None:
    """The message of a failure, with the place in the code unless it is a text only."""
    if isinstance(failure, str):
        return failure
    crash = getattr(failure, "reprcrash", None)
    return None if crash is None else f"{crash.path}:{crash.lineno}: {crash.message}"


def _joined(group: list[Any]) -> Any:
    joined = copy.copy(group[0])
    joined.longrepr = _SharedFailure(group[0].longrepr, len(group))
    return joined


@dataclass
class _Crash:
    """The line that pytest shows in its short summary, and with ``--tb=line``."""

    message: str

    def __str__(self) -> str:
        return self.message


class _SharedFailure:
    """The failure of several cases, as pytest's representations of failures are written."""

    def __init__(self, first: Any, cases: int) -> None:
        self._first, self._cases = first, cases
        message = first if isinstance(first, str) else first.reprcrash.message
        self.reprcrash = _Crash(f"{cases} cases: {message}")

    def toterminal(self, tw: Any) -> None:
        tw.line(f"{self._cases} cases fail for the same reason; the first of them:")
        if isinstance(self._first, str):
            tw.line(self._first)
        else:
            self._first.toterminal(tw)
