"""`BadInput`, the error for invalid user input, and spelling suggestions for its messages."""

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Invalid file, profile or option; the message is a line: where, what is wrong, what to do."""


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """``, did you mean 'x'?`` with the closest match to ``wrong``, or an empty string."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""
