"""`BadInput`, the error for invalid user input; the display of texts from outside."""

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Invalid file, profile or option; the message is a line: where, what is wrong, what to do.

    ``details``: further lines to show after it, such as a traceback.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(printable(message) + details)


class StoreError(BadInput):
    """The store of answers and votes cannot be used, so that no further case can be evaluated."""


def printable(text: str) -> str:
    r"""``text`` with control and invisible characters as escapes such as ``\x1b``.

    A text from a file could otherwise change the terminal on which it is shown.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """``, did you mean 'x'?`` with the closest match to ``wrong``, or an empty string."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""
