"""Extract the final number from an answer to a word problem.

The number is that of the last marked answer (``#### 18``, ``\\boxed{18}``, "The answer is 18").
Without one it is the result that is stated last or, if the answer was cut off, the result that is
stated most often about what the question asks. Numbers that the cut may have split, that only
restate the question, or that are in an unfinished expression are ignored.
"""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from lek.judges.exact.numerals import Number, numbers, strip_latex

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
    """A clause that states a result, the result, and whether it is a sum of money."""

    clause: str
    value: Fraction
    money: bool


def _words(text: str) -> set[str]:
    """Content words, roughly stemmed: "bags" matches "bag", and "burning" matches "burns"."""
    stems = set()
    for word in re.findall(r"[a-z]{3,}", text.lower()):
        stem = re.sub(r"(?:ies|ing|ed|es|s|y|e)$", "", {"sold": "sell"}.get(word, word))
        if word not in _STOP:
            money = {word, word.removesuffix("s"), stem} & _MONEY
            stems.add("money" if money else stem)
    return stems


def _names(text: str) -> set[str]:
    return set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", text))


def symbols(body: str) -> dict[str, str]:
    """The symbols that ``body`` defines, with their meanings.

    "Let R be the total number of raspberries" gives ``{"R": "the total number of raspberries"}``.
    """
    return {m[1]: m[2] for m in _LET.finditer(body)}


class Asked:
    """What a question asks for, to rate how well a statement fits it."""

    def __init__(self, question: str) -> None:
        question = strip_latex(question)
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
        """Whether ``sentence`` only repeats words and numbers of the question."""
        return (
            _words(sentence) <= self._stems and {n.value for n in numbers(sentence)} <= self.numbers
        )

    def choose(self, stated: list[Statement], symbols: dict[str, str]) -> Fraction | None:
        """The value that the best fitting statements state most often; the last one on a tie.

        ``symbols``: symbols with their meanings, as `symbols` returns them. ``None`` if no
        statement is about the unit that the question asks for.
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
        assigned = re.match(r"(?:we have |so |then )?([A-Za-z](?:_\w+)?) =", statement.clause, re.I)
        text = statement.clause
        if assigned and assigned[1] in symbols:
            text = symbols[assigned[1]]
        words = _words(text) | ({"money"} if statement.money else set())
        fit = len(words & self._words) + len(words & self._unit)
        names = set(re.findall(r"\b[A-Z][a-z]+", text))
        about_others = bool(self._names) and not names & self._names and bool(names & self._others)
        return fit - about_others


_LONGEST = 20_000  # only the last characters are read: a model that is stuck can write for long
_CLAUSE_LENGTH = 500
_CUT_WORDS = 90  # an unfinished last sentence means "cut off" only in an answer of this length
_MARK = re.compile(
    r"\#{3,}[ \t:]*(?P<hash>[^\n]*)"
    r"|\\boxed\s*\{(?P<boxed>(?:[^{}]|\{[^{}]*\})*)\}"
    r"|(?<!no )\banswer\b(?=(?P<said>[^\n]{0,300}))",
    re.I,
)
_SAID = re.compile(r"^[^\n\d$]{0,60}?(?:\bis\b|:|=)\s*(?P<rest>.*)$", re.I)
_EMPTY_MARK = re.compile(
    r"(?:final answer:?\s*)?(?:the (?:final )?(?:numerical )?answer is:?\s*)?#{3,}[^\n]*", re.I
)
_OTHER_QUESTION = re.compile(
    r"^[ \t]*(?:(?:question|problem|q)\s*\d*\s*:|[^\n]*\?\s*\n+\s*(?:answer|solution)\s*:)",
    re.I | re.M,
)
_CLAUSE = re.compile(r",?\s+(?:so|which|then|therefore|thus|hence)\b[, ]*|,\s+(?=[A-Z]\w* =)", re.I)
_CONCLUDES = re.compile(
    r"=|^\W*(?:the )?(?:so|therefore|thus|hence|in total|total|altogether)\b", re.I
)
_COPULA = re.compile(r"\b(?:is|are|was|were|be|equals|totals|only)\b|:", re.I)
_BESIDES = re.compile(
    r"\b(?:over|in|for|after|within|during|per|every|by|on) (?:the |all )?$", re.I
)
_NEGATED = re.compile(r"(?:\bnot|n't)\s+(?:\w+\s+){0,2}[$€£]?\d")
_ASIDE = re.compile(r"(?:^|\s)\((?=[^()]*[A-Za-z]{3})[^()]*\)")
_INSTEAD = re.compile(r",?\s+(?:not|rather than|instead of)\s+[$€£]?[\d,.]*\d")
_OPERATOR = re.compile(r"\s*(?:[+*/×÷-]|\()\s*[\d$(A-Za-z\\]|[^,;(]*?[+*×÷]\s*\(?[$\d]")


@dataclass(frozen=True)
class Reading:
    """The final number of an answer, if any, and how it was found."""

    value: Fraction | None
    how: str


def read_answer(text: str, question: str, *, finish: str | None = None) -> Reading:
    """The number that ``text`` gives as the answer to ``question``.

    ``finish``: ``length`` if the answer is known to be cut off, ``None`` if that is unknown.
    """
    text = _before_another_question(text[-_LONGEST:], question)
    marked = _marked(text, cut_off=finish == "length")
    if marked is not None:
        return Reading(marked, "marked as the answer")
    body = strip_latex(_EMPTY_MARK.sub("", text)).rstrip()
    cut = finish == "length" or (finish is None and _looks_cut(body))
    asked = Asked(question)
    sentences = [s.strip() for s in SENTENCE.split(body) if s.strip()]
    if cut and len(sentences) > 1 and not re.search(r"[.!?]$", sentences[-1]):
        sentences = sentences[:-1]
    elif cut and len(sentences) == 1:
        sentences = [re.sub(r"[$\d.,]+$", "", sentences[0])]
    stated = [
        Statement(clause, result.value, result.money)
        for s in sentences
        if not s.endswith("?") and not asked.restated(s)
        for clause in _CLAUSE.split(s)
        if (result := _result(clause, asked.numbers)) is not None
    ]
    if not stated:
        return Reading(None, "no result stated")
    if cut:
        value = asked.choose(stated, symbols(body))
        how = "no result stated" if value is None else "stated"
        return Reading(value, f"{how} before it was cut off")
    last = next(
        (
            s
            for s in reversed(stated)
            if s.value not in asked.numbers or _CONCLUDES.search(s.clause)
        ),
        stated[-1],
    )
    return Reading(last.value, "stated last")


def _before_another_question(text: str, question: str) -> str:
    """``text`` up to the next question: pretrained models often continue with one of their own."""
    digit = re.search(r"\d", text)
    others = _OTHER_QUESTION.finditer(text, digit.end()) if digit else iter(())
    for other in islice(others, 20):
        before = text[: other.start()]
        if not Asked(question).restated(before):
            return before
    return text


def _looks_cut(body: str) -> bool:
    if re.search(r"[=+*/×÷(]$", body):
        return True
    return len(body.split()) >= _CUT_WORDS and not re.search(r"[.!?)\]}%]$", body)


def _marked(text: str, *, cut_off: bool) -> Fraction | None:
    """The last marked answer; if ``cut_off``, without a number that the cut may have split."""
    value = None
    for mark in _MARK.finditer(text):
        end = mark.end()
        if mark["said"] is None:
            rest = mark["hash"] if mark["hash"] is not None else mark["boxed"]
            number = _first(strip_latex(rest))
        else:
            if re.search(r"\\boxed|#{3,}", mark["said"]):
                continue
            statement = _SAID.match(strip_latex(mark["said"]))
            rest = statement["rest"] if statement else ""
            end += len(mark["said"])
            if statement and not re.search(r"\d", rest) and not re.search(r"\w", rest):
                following = re.match(r"[\s*$]*([^\n]*)", text[end:])
                rest = strip_latex(following[1]) if following else ""
                end += following.end() if following else 0
            if re.match(r"\s*not\b", rest, re.I):
                continue
            first, *more = SENTENCE.split(rest)
            end -= bool(more)  # a number before another sentence is complete
            number = _result(first, frozenset())
        last = end >= len(text.rstrip()) and re.search(r"[\d.,]$", text.rstrip())
        if number is not None and not (cut_off and last):
            value = number.value
    return value


def _first(marked: str) -> Number | None:
    """The result in a marked answer: the first number after the last ``=``, else the first one.

    ``None`` for alternatives ("18 or 20").
    """
    candidates = numbers(marked.rsplit("=", 1)[-1]) or numbers(marked)
    either = len(candidates) > 1 and re.fullmatch(
        r"\s*or\s*", marked[candidates[0].end : candidates[1].start]
    )
    return candidates[0] if candidates and not either else None


def _result(clause: str, known: frozenset[Fraction]) -> Number | None:
    """The number that ``clause`` states as its result; ``known``: the question's numbers."""
    clause = _INSTEAD.sub("", _ASIDE.sub("", clause[-_CLAUSE_LENGTH:]))
    if _NEGATED.search(clause):
        return None
    if "=" in clause:
        left, right = clause.rsplit("=", 1)
        candidates = numbers(right)
        algebra = re.search(r"\d[A-Za-z]\b|\b[A-Za-z]\s*[+×*-]|[+×*/-]\s*\(?[A-Za-z]\b", left)
        if not candidates or (algebra and "=" not in left):
            return None
        first = candidates[0]
        leading = re.fullmatch(r"\s*[A-Za-z$(]*\s*", right[: first.start])
        return first if leading and not _OPERATOR.match(right[first.end :]) else None
    for copula in reversed(list(_COPULA.finditer(clause))):
        predicate = clause[copula.end() :]
        candidates = numbers(predicate)
        if candidates:
            first = candidates[0]
            before, after = predicate[: first.start], predicate[first.end :]
            within = _OPERATOR.match(after) or re.search(r"[\w)]\s*[-+×*/÷(]\s*$", before)
            if within and copula[0] == ":":
                return _result(clause[: copula.start()], known)
            return None if within else first
    candidates = numbers(clause)
    fresh = [n for n in candidates if n.value not in known] or candidates
    fresh = [n for n in fresh if not _BESIDES.search(clause[: n.start])] or fresh
    if not fresh or _OPERATOR.match(clause[fresh[-1].end :]):
        return None
    return next((n for n in reversed(fresh) if n.money), fresh[-1])
