"""A text -> the stances that its words show (challenges, reasons, care, hedges ...), each quoted.

English phrase families, none longer than a clause, none about a model or a data set. What is not
covered: irony, quotation of another's stance, what needs knowledge of the world.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lek.phrases import BOUNDED, FAMILIES, STANDS
from lek.sentences import plain

_READ = 4_000  # characters

_COMPILED = {
    name: re.compile("|".join(parts) if name in BOUNDED else rf"\b(?:{'|'.join(parts)})", re.I)
    for name, parts in FAMILIES.items()
}


@dataclass(frozen=True, slots=True)
class Found:
    """One phrase and where in the plain text it starts (characters)."""

    phrase: str
    at: int


@lru_cache(maxsize=512)
def stance(text: str, family: str) -> tuple[Found, ...]:
    """The phrases of ``family`` in the first 4,000 characters of ``text``, in order."""
    read = plain(text)[:_READ]
    return tuple(
        Found(" ".join(m[0].lower().split()), m.start()) for m in _COMPILED[family].finditer(read)
    )


def bare(text: str) -> str:
    """The first 4,000 characters of ``text`` without the phrases in which it takes a stand."""
    read = plain(text)[:_READ]
    for family in STANDS:
        read = _COMPILED[family].sub(" ", read)
    return read


def kinds(text: str, family: str, *, before: int = _READ) -> int:
    """How many different phrases of ``family`` start within ``before`` characters of ``text``."""
    return len({f.phrase for f in stance(text, family) if f.at < before})
