"""What a word problem asks for: a unit, a kind of number, and how well a clause replies."""

import re
from fractions import Fraction
from functools import cached_property, lru_cache

from lek.judges.exact.numerals import Number, number_words, numbers, strip_latex

SENTENCE = re.compile(r"(?<=[.!?])(?<!i\.e\.)(?<!e\.g\.)(?<!approx\.)\s+|\n+")
_MONEY = frozenset(
    "pay paid cost price spend spent earn make made money dollar revenue profit owe charge".split()
)
_STOP = frozenset(
    "how many much what the and did does was were are will can for all with has have had that this "
    "each than they she her his him its our you after before given since find there into per from "
    "number problem states says asks told know more less fewer total full whole extra".split()
)
_INITIAL = frozenset(
    "a an in on at if it he they there every for to of by two three four then this first next last "
    "today yesterday when while but".split()
)
_VARIANTS = (
    {"sold": "sell", "got": "get", "ate": "eat", "bought": "buy", "left": "leave"}
    | {"kg": "kilogram", "km": "kilometer", "cm": "centimeter", "mm": "millimeter"}
    | {"lb": "pound", "lbs": "pound", "oz": "ounce", "ml": "milliliter", "ft": "feet"}
    | {"hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute"}
)
_QUOTED = 20  # characters; a longer part of the question is a quotation
_LETTERS = {"g": "gram", "m": "meter", "l": "liter", "h": "hour", "s": "second"}  # after a number


@lru_cache(maxsize=1024)
def content_words(text: str) -> frozenset[str]:
    """Content words, roughly stemmed: "bags" matches "bag", and "burning" matches "burns"."""
    stems = set()
    for word in re.findall(r"[a-z]+", re.sub(r"(met|lit)re", r"\1er", text.lower())):
        full = _VARIANTS.get(word, word)
        stem = re.sub(r"(?:ies|ing|ed|es|s|y|e)$", "", full)
        if len(full) > 2 and word not in _STOP:
            money = {word, word.removesuffix("s"), stem} & _MONEY
            stems.add("money" if money else stem)
    return frozenset(stems)


_MEASURES = frozenset(
    content_words(
        "kilogram gram pound ounce ton kilometer meter centimeter millimeter mile yard feet inch "
        "dollar liter milliliter gallon hour minute second day week month year percent cent"
    )
)
_COUNTED = re.compile(
    r"\b(?:how many|number of)((?: (?!(?:do|does|did|will|would|can|could|should|must|has|have|had"
    r"|are|is|was|were|in|per|if|on|at|each)\b|of (?:the|them|these|those)\b)[\w'-]+){1,4})",
    re.I,
)
_IN_UNIT = re.compile(
    r"\bin (?:the )?(?:number of )?(dollars?|cents?|minutes?|seconds?|hours?|days?|weeks?|months?"
    r"|years?|inches|feet|yards|miles|(?:kilo|milli|centi)?(?:gram|meter|metre|liter|litre)s?"
    r"|pounds|ounces|percent)\b(?! (?:in|of|if)\b)",
    re.I,
)
_AMOUNT = re.compile(
    r"\bhow much (?:more |less )?(?:money|change|profit|do|does|did|will|is|was|would|should|in|has"
    r"|have)\b(?!.*\b(?:weigh|time|longer)\b)",
    re.I,
)
_SCALED = re.compile(r"\bhow many (?:\w+ )?(?:dozen|hundred|thousand|million|billion)s?\b", re.I)
_PERCENT = re.compile(r"\bper ?cent|%\s*\?", re.I)
_TIME = re.compile(
    r"\b(?:what|which|latest|earliest) (?:time|hour)\b|\bwhen (?:do|did|will|must|should)", re.I
)
_RANK = re.compile(
    r"\b(?:what|which) (?:\w+ )?(?:day|week|month|year|floor|place|position|grade|century|row"
    r"|rank|page|lap|round|birthday|date|term|level|turn|visit)\b",
    re.I,
)
_NOUN = re.compile(
    r"[\s-]{0,2}((?:(?!(?:in|for|on|at|per|an?|each|and|or|to|over|with|from|is|are|was|were|by"
    r"|every|after|than|so|but)\b)[A-Za-z']+\s?){1,4})",
    re.I,
)
_ALONE = re.compile(
    r"(?:^\s*|\b(?:is|are|was|be|makes|equals)\s|[:=]\s?)(?:about |only |just )?$", re.I
)
_CONCLUDES = re.compile(
    r"\W*(?:the )?(?:so|now|since|therefore|thus|hence|in total|total|altogether|finally|overall"
    r"|(?:this|that|it) means|in the end|as a result|consequently|in conclusion|to conclude)\b",
    re.I,
)
_GIVEN = re.compile(
    r"\W*(?:since |as |so )?(?:we(?:'re| are) (?:given|told)|you are given|it is given|given"
    r"|the (?:problem|question) (?:states|says|asks|tells|gives)|we know|according to)\b",
    re.I,
)
_COMPUTES = re.compile(
    r"\d(?:\s?[A-Za-z]+){0,3}\s*[+*/×÷x-]\s*[$€£(]*\d[^=]{0,80}="  # 20 - 5 = 15
    r"|\A\W*[A-Za-z]\s*=\s*[^\s=]+\W*\Z"  # x = 15
)


def computes(clause: str) -> bool:
    """Whether ``clause`` shows a calculation or assigns a number to a symbol."""
    return _COMPUTES.search(clause) is not None


class Asked:
    """What a question asks for. Each part is computed when it is first needed."""

    def __init__(self, question: str) -> None:
        self._question = strip_latex(question)

    @cached_property
    def _clause(self) -> str:
        """The part of the question that asks."""
        asking = [s for s in SENTENCE.split(self._question) if s.endswith("?")]
        return re.split(r",\s+(?=how\b|what\b)", (asking or [self._question])[-1], flags=re.I)[-1]

    @cached_property
    def hypothetical(self) -> bool:
        """Whether it asks what would be."""
        return re.search(r"\b(?:if|suppose|would)\b", self._question, re.I) is not None

    @cached_property
    def numbers(self) -> frozenset[Fraction]:
        """The values of all numbers in the question, those in words too."""
        words = " ".join(digits for _, digits in number_words(self._question))
        return frozenset(n.value for n in self.read(f"{self._question} {words}"))

    @cached_property
    def _names(self) -> set[str]:
        return _names(self._clause)

    @cached_property
    def _others(self) -> set[str]:
        initials = re.findall(r"\b[A-Z][a-z]+", self._question)
        return {w for w in initials if w.lower() not in _STOP | _INITIAL} - self._names

    @cached_property
    def _words(self) -> frozenset[str]:
        return content_words(" ".join(w for w in self._clause.split() if w not in self._names))

    @cached_property
    def _all_words(self) -> frozenset[str]:
        return content_words(self._question)

    @cached_property
    def _unit(self) -> frozenset[str]:
        clause = self._clause
        unit = _COUNTED.search(clause) or _IN_UNIT.search(clause)
        words = (content_words(unit[1]) if unit else frozenset()) or self._words & {"money"}
        if not words and _AMOUNT.search(clause) and re.search(r"[$€£]", self._question):
            return frozenset({"money"})
        return words

    @cached_property
    def _scaled(self) -> bool:
        return bool(_SCALED.search(self._clause))

    @cached_property
    def _kinds(self) -> dict[str, bool]:
        clause = self._clause
        return {
            "percent": bool(_PERCENT.search(clause)),
            "clock": bool(_TIME.search(clause)),
            "ordinal": bool(_RANK.search(clause)),
        }

    def read(self, text: str, start: int = 0) -> list[Number]:
        """The quantities in ``text`` from ``start`` on.

        They include clock times or ordinals if the question asks for one. If it asks "How many
        dozen", "2 dozen" is 2.
        """
        quantities = numbers(
            text[start:], clock=self._kinds["clock"], ordinals=self._kinds["ordinal"]
        )
        if not (start or self._scaled):
            return list(quantities)
        return [
            Number(
                n.value / n.scale if self._scaled else n.value,
                n.start + start,
                n.end + start,
                n.kind,
                n.scale,
            )
            for n in quantities
        ]

    def in_digits(self, text: str) -> str:
        """``text`` with digits for number words that count what is asked or stand alone."""
        pieces, end = [], 0
        for word, digits in number_words(text):
            noun = _NOUN.match(text, word.end())
            counted = content_words(f"{word[0]} {noun[1] if noun else ''}")
            alone = not re.match(r"[ \t]*[\w(]", text[word.end() : word.end() + 20])
            if counted & (self._unit or self._all_words | _MEASURES) or (
                alone and _ALONE.search(text[max(0, word.start() - 20) : word.start()])
            ):
                pieces += [text[end : word.start()], digits]
                end = word.end()
        return "".join(pieces) + text[end:]

    def in_unit(self, text: str, number: Number) -> bool | None:
        """Whether ``number`` in ``text`` has the asked unit; ``None`` if it has no known unit."""
        if number.kind in self._kinds:
            return self._kinds[number.kind]
        noun = _NOUN.match(text, number.end)
        after = noun[1].strip() if noun else ""
        words = content_words(f"{text[number.start : number.end]} {_LETTERS.get(after, after)}")
        if not words and not number.kind:
            return None
        money = number.kind == "money" and "money" in self._unit and "cent" not in words
        if money or words & self._unit:
            return True
        known = number.kind or words & (_MEASURES | self._all_words - self._words)
        return False if known and (self._unit or any(self._kinds.values())) else None

    def restated(self, sentence: str) -> bool:
        """Whether ``sentence`` only repeats words and numbers of the question."""
        if len(sentence) > _QUOTED and sentence in self._question:
            return True
        if computes(sentence) or not {n.value for n in self.read(sentence)} <= self.numbers:
            return False
        repeats = content_words(sentence) <= self._all_words and not self.replies(sentence)
        return repeats or _GIVEN.match(sentence) is not None

    def replies(self, clause: str) -> bool:
        """Whether ``clause`` draws a conclusion, or says all that the question asks."""
        if "=" not in clause and _CONCLUDES.match(clause):
            return True
        complete = len(self._words) > 1 and self._words <= content_words(clause)
        return complete and not self.about_others(clause)

    def fit(self, clause: str, in_unit: bool | None) -> int:
        """How much of what is asked ``clause`` mentions; ``in_unit``: of its result."""
        words = content_words(clause)
        unit = bool(in_unit or words & self._unit) - (in_unit is False)
        return len(words & self._words) + unit - self.about_others(clause)

    def enough(self, fit: int) -> bool:
        """Whether a clause of this fit is about the asked unit."""
        return fit >= 2 or not self._unit

    def familiar(self, text: str, before: str) -> bool:
        """Whether most content words of ``text`` are in the question or in ``before``."""
        words = content_words(text)
        return 2 * len(words - self._all_words - content_words(before)) <= len(words)

    def names(self, text: str) -> bool:
        """Whether ``text`` names somebody that the question asks about."""
        return bool(self._names & set(re.findall(r"\b[A-Z][a-z]+", text)))

    def about_others(self, text: str) -> bool:
        """Whether ``text`` names others of the question, and nobody that it asks about."""
        names = set(re.findall(r"\b[A-Z][a-z]+", text))
        return bool(self._names) and not names & self._names and bool(names & self._others)


@lru_cache(maxsize=2048)
def asked_by(question: str) -> Asked:
    """What ``question`` asks for; it is often read for one subject after another."""
    return Asked(question)


def _names(text: str) -> set[str]:
    return set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", text))
