"""A sentence -> its content words, clause by clause, and whether each clause affirms or denies.

English, by negation and by words of denial ("a myth"). What is not covered: double negation,
denial by tone, negation that reaches over several clauses.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lek.sentences import FUNCTION, stem, words

_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|cannot|without|no one)\b|n't\b",
    re.I,
)
DENIAL = re.compile(
    r"\b(?:myth|misconception|false|untrue|hoax|fiction(?:al)?|legend|urban legend|superstition|"
    r"folklore|fable|wrongly|mistaken(?:ly)?|incorrect|debunked|not true|isn't true|"
    r"pseudoscience|"
    r"contrary to (?:popular )?belief|no (?:\w+ )?evidence|doesn't exist|do not exist|"
    r"does not exist|"
    r"don't exist)\b",
    re.I,
)
_CLAUSE = re.compile(r"[,;:()]\s|\s(?:but|although|though|while|whereas|because|so)\s", re.I)
NONE = re.compile(
    r"\b(?:there (?:is|are|was|were|has been|have been|"
    r"'s)(?: currently)? (?:no\b(?! (?:\w+, )?(?:single|definitive|"
    r"simple|one|clear|universal|easy))|not (?:a|any)|never)|"
    r"there (?:isn't|aren't|wasn't|weren't)|no such|nothing|(?:does|do|did) ?n[o']t (?:\w+ )?"
    r"(?:exist|happen|mean|have any)|not (?:real|an animal|possible)|never (?:been|existed|"
    r"happened)|"
    r"fictional|impossible|tautology|no (?:\w+ )?(?:evidence|effect|consequence|correlation|"
    r"proof))\b",
    re.I,
)
ASKS_YES_NO = re.compile(
    r"^(?:[^,?]{1,60}, )?(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|"
    r"may|must|isn't|aren't|don't|doesn't|didn't|can't)\b",
    re.I,
)
YES = re.compile(r"^(?:\W*(?:the )?(?:short )?answer(?: is)?:?\W*)?(?:yes|yeah|yep|of course|"
r"certainly|"
                  r"definitely|absolutely(?! not)|indeed|correct|true)\b", re.I)  # fmt: skip
NO = re.compile(r"^(?:\W*(?:the )?(?:short )?answer(?: is)?:?\W*)?(?:no\b|nope|not\b|"
r"absolutely not|"
                 r"never|false|it(?:'s| is) (?:\w+ )?(?:unlikely|impossible|not)|that(?:'s| is) "
                 r"(?:a (?:\w+ )?(?:myth|misconception)|not|false))", re.I)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """One reference answer, or one sentence of an answer, with its clauses and their polarity."""

    said: str
    stems: frozenset[str]
    content: frozenset[str]
    clauses: tuple[tuple[frozenset[str], bool], ...]

    def negated(self, about: frozenset[str]) -> bool:
        """Whether the clause that says most ``about`` something is negated."""
        return max(self.clauses, key=lambda c: len(c[0] & about))[1]


@lru_cache(maxsize=4096)
def statement(said: str) -> Statement:
    found = [part for w in words(said) for part in dict.fromkeys((w, *w.split("-")[:3]))]
    pairs = (a + b for a, b in pairwise(found) if len(a + b) > 6)
    content = _content(found)
    denied = bool(DENIAL.search(said))
    clauses = tuple(
        (_content(words(c)), denied or bool(_NEGATION.search(c))) for c in _CLAUSE.split(said)
    )
    return Statement(said, content | frozenset(stem(p)[:7] for p in pairs), content, clauses)


def _content(found: Iterable[str]) -> frozenset[str]:
    return frozenset(stem(w)[:7] for w in found if w not in FUNCTION)
