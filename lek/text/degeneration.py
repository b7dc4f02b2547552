"""Detect degenerate answers: empty, without words, repetitive, or word salad.

Short plain answers ("18", "Yes.") are usable. Not checked: whether an answer is correct or on
topic. English only: a long text without English function words counts as word salad.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from lek.text.sentences import FUNCTION, strip_markup, words

_MAX_WORDS = 3_000  # the rest of a text is ignored; repetition shows long before
_MAX_PERIOD = 60  # words
_RUN = re.compile(r"([^\W\d_])\1{19,}|(.)\2{59,}")
_LABEL = re.compile(r"^\s*(?:(?:step\s+)?\d+\s*[.):]|[a-z][.)]|[-*•])+\s*")
_MIN_WORDS = {
    "word": 6,
    "loop": 12,
    "phrases": 30,
    "salad": 40,
}  # of a text, for each finding


def degenerate(text: str) -> str | None:
    """Return why ``text`` is not a usable answer, in a few words; ``None`` if it is usable."""
    stripped = strip_markup(text)
    if not stripped:
        return "empty"
    tokens = words(stripped)[:_MAX_WORDS]
    if not tokens:
        return "no words, only symbols"
    if stripped.count("\ufffd") * 10 > len(stripped):
        return "broken characters"
    run = _RUN.search(stripped)
    if run and (run.end() - run.start()) * 3 > len(stripped):
        return f"a loop of {run[0][0]!r}"
    return (
        _repeated_ending(tokens)
        or _repeated_word(tokens)
        or _repeated_phrases(tokens)
        or _repeated_line(text)
        or _word_salad(stripped, tokens)
    )


def _repeated_ending(tokens: Sequence[str]) -> str | None:
    """Detect a text that ends in the same sequence of words several times."""
    for period in range(1, min(_MAX_PERIOD, len(tokens) // 3) + 1):
        at = len(tokens) - 1
        while at >= period and tokens[at] == tokens[at - period]:
            at -= 1
        length = len(tokens) - 1 - at + period
        rounds = length // period
        enough = rounds >= 4 or (rounds == 3 and period >= 4)
        least = 6 if period == 1 else _MIN_WORDS["loop"]
        if enough and length >= least and length * 4 > len(tokens):
            return f"a loop: {_quote(tokens[-period:])} {rounds} times at the end"
    return None


def _repeated_word(tokens: Sequence[str]) -> str | None:
    """Detect a text that repeats one word many times, in a row or as most of its words."""
    most_common, most = Counter(tokens).most_common(1)[0]
    if most < _MIN_WORDS["word"]:
        return None
    for word, run in groupby(tokens):
        times = sum(1 for _ in run)
        if times >= _MIN_WORDS["word"]:
            return f"a loop: {_quote([word])} {times} times in a row"
    if most * 2 > len(tokens):
        return f"a loop: {_quote([most_common])} {most} times in {len(tokens)} words"
    return None


def _repeated_phrases(tokens: Sequence[str]) -> str | None:
    """Detect a text of few distinct three-word phrases, in any order."""
    if len(tokens) < _MIN_WORDS["phrases"]:
        return None
    phrases = Counter(zip(tokens, tokens[1:], tokens[2:], strict=False))
    total = len(tokens) - 2
    if len(phrases) * 5 >= total * 2:  # algebra and refrains repeat about half of their phrases
        return None
    most_common, times = phrases.most_common(1)[0]
    quoted = _quote(most_common)
    return f"a loop: only {len(phrases)} of {total} phrases differ, {quoted} {times} times"


def _repeated_line(text: str) -> str | None:
    """Detect a text in which most lines are the same, apart from numbers and bullets."""
    lines = [
        _LABEL.sub("", line.lower()).strip() for line in strip_markup(text).splitlines() if line
    ]
    if len(lines) < 6:
        return None
    most_common, times = Counter(lines).most_common(1)[0]
    return f"a loop: {_quote([most_common])} on {times} lines" if times * 2 > len(lines) else None


def _word_salad(text: str, tokens: Sequence[str]) -> str | None:
    """Detect a long text with few English function words that is not a list."""
    alphabetic = [w for w in tokens if w[0].isalpha()]
    if len(alphabetic) < _MIN_WORDS["salad"]:
        return None
    separators = sum(text.count(c) for c in ",;\n|")
    function_words = sum(w in FUNCTION for w in alphabetic)
    if separators * 3 > len(alphabetic) or function_words * 12 >= len(alphabetic):
        return None  # lists have few function words too
    return f"word salad: {function_words} of {len(alphabetic)} words are function words"


def _quote(phrase: Sequence[str]) -> str:
    text = " ".join(phrase)
    return f'"{text[:60]}{"..." if len(text) > 60 else ""}"'
