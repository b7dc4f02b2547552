"""Errors in what the user gave: one line that names the place, the fault and the remedy."""

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """An error in a file, a profile or an option, as one line: where, what is wrong, what to do."""


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the one of ``right`` that is nearest to ``wrong``, or nothing."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""
