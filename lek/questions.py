"""A word problem's question -> what it asks for, and which statements of an answer reply to it."""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from lek.numerals import numbers, plain

_MONEY = frozenset(
    "pay paid cost price spend spent earn make made money dollar revenue profit owe charge".split()
)
_STOP = frozenset(
    "how many much what the and did does was were are will can for all with has have had that this "
    "each than they she her his him its our you after before given since find there into per from "
    "number problem states says asks told know".split()
)
_LET = re.compile(
    r"\blet ['$]?([A-Za-z](?:_\w+)?)['$]? (?:be|represent|denote) "
    r"(.{1,200}?)(?=,? and let|[.\n]|$)",
    re.I,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Statement:
    clause: str
    value: Fraction
    money: bool


def _words(text: str) -> set[str]:
    """Content words in a rough stem, so that "bags" meets "bag" and "burning" meets "burns"."""
    found = set()
    for word in re.findall(r"[a-z]{3,}", text.lower()):
        stem = re.sub(r"(?:ies|ing|ed|es|s|y|e)$", "", {"sold": "sell"}.get(word, word))
        if word not in _STOP:
            money = {word, word.removesuffix("s"), stem} & _MONEY
            found.add("money" if money else stem)
    return found


def _names(text: str) -> set[str]:
    return set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", text))


def symbols(body: str) -> dict[str, str]:
    """``Let R be the total number of raspberries`` -> ``{"R": "the total number of ..."}``."""
    return {m[1]: m[2] for m in _LET.finditer(body)}


class Asked:
    """What a question asks for, and how well a statement fits it."""

    def __init__(self, question: str) -> None:
        question = plain(question)
        asking = [s for s in SENTENCE.split(question) if s.endswith("?")] or [question]
        clause = re.split(r",\s+(?=how\b|what\b)", asking[-1], flags=re.I)[-1]
        unit = re.search(r"how many (?:more )?(\w+)", clause, re.I)
        self._names = _names(clause)
        self._others = _names(question) - self._names
        self._words = _words(" ".join(w for w in clause.split() if w not in self._names))
        self._unit = _words(unit[1]) if unit else self._words & {"money"}
        self._stems = _words(question)
        self.numbers = frozenset(n.value for n in numbers(question))

    def restated(self, sentence: str) -> bool:
        """Whether ``sentence`` only says again what the question says."""
        return (
            _words(sentence) <= self._stems and {n.value for n in numbers(sentence)} <= self.numbers
        )

    def choose(self, stated: list[Statement], symbols: dict[str, str]) -> Fraction | None:
        """The value stated most often by the best fitting statements; the later one on a tie.

        ``None`` when no statement is about the unit that the question asks for.
        """
        fits = [(self._fit(s, symbols), s.value) for s in stated]
        best = max(fit for fit, _ in fits)
        if best < 2 * len(self._unit):
            return None
        values = [value for fit, value in fits if fit == best]
        counts = Counter(values)
        most = max(counts.values())
        return next(v for v in reversed(values) if counts[v] == most)

    def _fit(self, statement: Statement, symbols: dict[str, str]) -> int:
        named = re.match(r"(?:we have |so |then )?([A-Za-z](?:_\w+)?) =", statement.clause, re.I)
        text = statement.clause
        if named and named[1] in symbols:
            text = symbols[named[1]]
        words = _words(text) | ({"money"} if statement.money else set())
        fit = len(words & self._words) + len(words & self._unit)
        names = set(re.findall(r"\b[A-Z][a-z]+", text))
        astray = bool(self._names) and not names & self._names and bool(names & self._others)
        return fit - astray
