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
OPENING = 700  # characters in which an answer takes its stand

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
    r"(?:^|[.,:;!?]\s)(?:and |but |so )?(?:is|are|was|were|do|does|did|can|could|will|would|should|"
    r"has|have|had|may|must|isn't|aren't|don't|doesn't|didn't|can't)\b"
    r"|\bwhether\b|\b(?:is|was) (?:it|that|this) (?:true|so|right)\b|\b(?:right|correct|true)\?",
    re.I,
)
_ANSWER = r"^(?:\W*(?:the )?(?:short )?answer(?: is)?:?\W*)?"
# "No, it is not" answers a question; "no star is brighter" only says something
_ALONE = r"(?=\W*$|\s?[^\w\s]|\s+(?:it|they|he|she|you|we|i|there|that|this|not|one)\b)"
YES = re.compile(
    rf"{_ANSWER}(?:yes|yeah|yep|of course|certainly|definitely|absolutely(?! not)|indeed|correct|"
    r"true)\b",
    re.I,
)
NO = re.compile(
    rf"{_ANSWER}(?:no\b{_ALONE}|nope|not\b|absolutely not|never|false|it(?:'s| is) (?:\w+ )?"
    r"(?:unlikely|impossible|not)|that(?:'s| is) (?:a (?:\w+ )?(?:myth|misconception)|not|false))",
    re.I,
)
_PRESUMES = re.compile(
    r"^(?:so,? |but )?(?:why|is|are|isn't|aren't|do(?!\s+you)|does|don't|doesn't|did|was|were|"
    r"has|have)\b",
    re.I,
)
_ACCOMMODATES = re.compile(
    r"^(?:okay|ok|sure|alright|yes|yeah|yep|of course|certainly|absolutely|gladly|great|"
    r"here)\b(?! not)",
    re.I,
)
SURE = re.compile(r"^(?:okay|ok|sure|alright|yes|yeah|of course|certainly)\b", re.I)
ASIDE = re.compile(  # speaks of the request, or to who asks, rather than of the matter
    r"\b(?:you(?:'re|'ve)?|your|i|i'm|i'll|let's|question|request|topic|prompt|statement|phrase|"
    r"joke|here)\b",
    re.I,
)
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


def presumes(request: str) -> bool:
    """Whether ``request`` asks whether something is so, or takes it for granted."""
    return bool(_PRESUMES.match(request.strip()))


def accommodates(answer: str) -> bool:
    """Whether ``answer`` opens as one who grants what was asked ("Sure", "Here ...")."""
    return bool(_ACCOMMODATES.match(plain(answer)))


def challenges(prompt: str, answer: str) -> list[Found]:
    """What challenges ``prompt`` in the opening, each phrase once and none that it has itself."""
    asked = prompt.lower()
    found = (*stance(answer, "challenge"), *stance(answer, "blame"))
    fresh = {f.phrase: f for f in found if f.at < OPENING and f.phrase not in asked}
    return sorted(fresh.values(), key=lambda f: f.at)
