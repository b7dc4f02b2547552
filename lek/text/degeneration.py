"""A text -> why it is no usable answer (empty, signs only, a loop, word salad), or ``None``.

Short plain answers ("18", "Yes.") are usable. What is not covered: whether an answer is right, on
the subject, or in another language than English (long text without English function words is
taken for word salad).
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from lek.text.sentences import FUNCTION, strip_markup, words

_READ = 3_000  # words; a loop shows long before
_LONGEST_PERIOD = 60  # words
_RUN = re.compile(r"([^\W\d_])\1{19,}|(.)\2{59,}")
_LABEL = re.compile(r"^\s*(?:(?:step\s+)?\d+\s*[.):]|[a-z][.)]|[-*•])+\s*")
_LEAST = {
    "word": 6,
    "loop": 12,
    "phrases": 30,
    "salad": 40,
}  # words that a text needs to be called so


def degenerate(text: str) -> str | None:
    """Why ``text`` is no usable answer, in a few words; ``None`` when it is one."""
    read = strip_markup(text)
    if not read:
        return "empty"
    found = words(read)[:_READ]
    if not found:
        return "no words, only signs"
    if read.count("\ufffd") * 10 > len(read):
        return "broken characters"
    run = _RUN.search(read)
    if run and (run.end() - run.start()) * 3 > len(read):
        return f"a loop of {run[0][0]!r}"
    return _loop(found) or _stretch(found) or _phrases(found) or _lines(text) or _salad(read, found)


def _loop(found: Sequence[str]) -> str | None:
    """A text that ends in one stretch of words over and over."""
    for period in range(1, min(_LONGEST_PERIOD, len(found) // 3) + 1):
        at = len(found) - 1
        while at >= period and found[at] == found[at - period]:
            at -= 1
        length = len(found) - 1 - at + period
        rounds = length // period
        enough = rounds >= 4 or (rounds == 3 and period >= 4)
        if enough and length >= (6 if period == 1 else _LEAST["loop"]) and length * 4 > len(found):
            return f"a loop: {_quote(found[-period:])} {rounds} times at the end"
    return None


def _stretch(found: Sequence[str]) -> str | None:
    """A text with one word over and over anywhere in it."""
    for word, run in groupby(found):
        times = sum(1 for _ in run)
        if times >= _LEAST["word"]:
            return f"a loop: {_quote([word])} {times} times on end"
    often, times = Counter(found).most_common(1)[0]
    if times >= _LEAST["word"] and times * 2 > len(found):
        return f"a loop: {_quote([often])} {times} times in {len(found)} words"
    return None


def _phrases(found: Sequence[str]) -> str | None:
    """A text that circles in a few phrases, not exactly in step."""
    if len(found) < _LEAST["phrases"]:
        return None
    grams = Counter(zip(found, found[1:], found[2:], strict=False))
    total = len(found) - 2
    if len(grams) * 5 >= total * 2:  # algebra and refrains repeat half of theirs
        return None
    often, times = grams.most_common(1)[0]
    return f"a loop: only {len(grams)} of {total} phrases differ, {_quote(often)} {times} times"


def _lines(text: str) -> str | None:
    """A text most of whose lines are one line."""
    lines = [
        _LABEL.sub("", line.lower()).strip() for line in strip_markup(text).splitlines() if line
    ]
    if len(lines) < 6:
        return None
    often, times = Counter(lines).most_common(1)[0]
    return f"a loop: {_quote([often])} on {times} lines" if times * 2 > len(lines) else None


def _salad(read: str, found: Sequence[str]) -> str | None:
    """A longer run of words without the small words that make English sentences."""
    letters = [w for w in found if w[0].isalpha()]
    if len(letters) < _LEAST["salad"]:
        return None
    breaks = sum(read.count(c) for c in ",;\n|")
    small = sum(w in FUNCTION for w in letters)
    if breaks * 3 > len(letters) or small * 12 >= len(letters):
        return None  # a list has no small words either
    return f"word salad: {small} of {len(letters)} words are function words"


def _quote(phrase: Sequence[str]) -> str:
    said = " ".join(phrase)
    return f'"{said[:60]}{"..." if len(said) > 60 else ""}"'
