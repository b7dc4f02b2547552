"""Quantities in text with Markdown and LaTeX, as exact fractions with their positions.

Supports groups of digits, decimals, negative numbers, fractions, mixed numbers, powers of ten,
"70k" and "2.5 million", currency and percent signs, and units. Clock times, ordinals and number
words are read on request. Ignores what is not a quantity: algebra (``2x``), words such as
"thirty-minute", and parts of versions, dates and malformed numbers (``1.2.3``, ``12,34``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_CACHED = 1024  # the same clauses of an answer are read several times


@dataclass(frozen=True, slots=True)
class Number:
    """A quantity in a text.

    ``value``: with the scale, so that "2 dozen" is 24. ``kind``: ``money``, ``percent``, ``clock``
    (in hours), ``ordinal``, or ``""``. ``scale``: the value of a word such as "dozen", else 1.
    """

    value: Fraction
    start: int
    end: int
    kind: str = ""
    scale: int = 1


_FRAC = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_WRAP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|mbox|operatorname)\s*\{([^{}]*)\}")
_MATH = re.compile(r"(?<!\\)\$(?=\S)([^$]*?)(?<=\S)(?<!\\)\$(?!\d)")  # Pandoc's rule for $...$
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2013", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u3000", " "),
        **dict.fromkeys("\u200b\u2060\ufeff", ""),
    }
    | {"≈": "=", "≅": "=", "\uff0c": ",", "\uff0e": ".", "\uff04": "$", "\uff1a": ":"}
    | {"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "⅛": " 1/8"}
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_EMPHASIS = re.compile(
    r"\*\*(?!-?\d)|(?<!\d)\*\*|(?<![\w*])\*(?=\S)([^*\n]{1,80})(?<=\S)\*(?![\w*])|__|`"
    r"|</?(?:b|strong|em|i|u)>"  # ``10**3`` is a power of ten
)
_LITERAL = {
    "\\$": "$",
    "\\%": "%",
    "\\times": "×",
    "\\cdot": "×",
    "\\div": "÷",
    "\\approx": "=",
    "\\left": "",
    "\\right": "",
    "\\leq": "≤",
    "\\geq": "≥",
    "\\le": "≤",
    "\\ge": "≥",
    "{,}": ",",
    "\\!": "",
    "\\\\": "\n",
}


def strip_latex(text: str) -> str:
    """``text`` without Markdown emphasis, LaTeX markup and GSM8K's ``<<...>>`` annotations."""
    # each search only where what it looks for can be: most texts have none of it
    if "<<" in text:
        text = re.sub(r"<<[^<>\n]*>>", "", text)
    if "$$" in text:
        text = re.sub(r"\$\$(.+?)\$\$", r" \1 ", text, flags=re.S)
    if "\\" in text:
        text = re.sub(r"\\[\[\]()]", " ", text)
    if "$" in text:
        text = _MATH.sub(r"\1", text)
    if not text.isascii():
        text = text.translate(_CHARACTERS)
    if "\\" in text or "~" in text:
        text = re.sub(r"(?<=\d)(?:\\[,;: ]|~)(?=\d{3}(?!\d))", ",", text)
    if not text.isascii():
        text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    return _EMPHASIS.sub(r"\1", text) if any(mark in text for mark in "*_`<") else text


def _without_latex(text: str) -> str:
    for old, new in _LITERAL.items():
        text = text.replace(old, new)
    text = re.sub(r"\\[,;: ]|\\q?quad\b", " ", text)
    for _ in range(3):  # nested groups, up to three levels
        text = _WRAP.sub(r" \1 ", text)
        text = _FRAC.sub(lambda m: f" {_group(m[1])}/{_group(m[2])} ", text)
    return re.sub(r"(?<=\^)\{(-?\d+)\}", r"\1", text)


def _group(part: str) -> str:
    part = part.strip()
    return part if re.fullmatch(r"\$?[\d.,]+", part) else f"({part})"


_GROUPED = (
    r"(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d\d)+,\d{3}|\d{1,3}(?:['’]\d{3})+|\d{1,3}(?:_\d{3})+"
    r"|[1-9]\d{0,2}(?:\ \d{3})+(?![/-]\w|\ \d))(?!\d)"
)
_DIGITS = rf"(?:{_GROUPED}|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![\w.)\]%]) -(?=[$€£¥₹\d.]) )?
    (?P<money>(?:\bUS)?[$€£¥₹]\s?(?P<sign2>-)?)?
    (?<![\w.^#]) (?<!\d[,'’:/]) (?<![A-Za-z]-) (?: (?P<whole>\d+)\s+(?=\d+/\d) )?
    (?P<num>{_DIGITS})
    (?: \s*/\s* [$]?(?P<den>{_DIGITS}) (?![\w/]) )?
    """,
    re.X | re.I,
)
_CHAIN = re.compile(r"(?<![\w.])\d+(?:-\d+){2,}")  # a date or another code
_LONGEST = 300  # characters; a longer number is the output of a model that is stuck
_CLOCK = re.compile(
    r"(?::(?P<minutes>[0-5]\d)(?![\d:]))?\s?(?P<half>[ap]\.?m\b\.?|o'clock\b)?", re.I
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.I)
_POWER = re.compile(
    r"(?P<base>\s?[×x*·]\s?10(?:\^|\*\*)|e|(?<=\b10)(?:\^|\*\*))[({]?([+-]?\d{1,2})[)}]?(?!\w|\.\d)",
    re.I,
)
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_SCALE = re.compile(rf"\s?({'|'.join(_SCALES)})s?\b", re.I)
_SHORT = re.compile(r"(k|mn?|bn?)(?!\w)", re.I)
_AFTER = re.compile(
    r"\s?(?:(?P<percent>%|percent\b|per cent\b)"
    r"|(?:US )?(?:dollars?|cents?|euros?|bucks|USD|pounds sterling)\b)",
    re.I,
)
_ATTACHED = re.compile(r"[A-Za-z](?![A-Za-z])(?!\w)|[-_][A-Za-z]|\^|_|\(|[,.'’:/]\d")


@lru_cache(maxsize=_CACHED)
def numbers(text: str, *, clock: bool = False, ordinals: bool = False) -> tuple[Number, ...]:
    """The quantities in ``text`` (without LaTeX, see `strip_latex`), in order of appearance.

    ``clock``, ``ordinals``: whether to include clock times and ordinals.
    """
    text = _CHAIN.sub(lambda m: "_" * len(m[0]), text)
    quantities: list[Number] = []
    end = 0
    for m in _NUMBER.finditer(text):
        if m.start() < end or m.end() - m.start() > _LONGEST:
            continue
        number = _time(m) or _ordinal(m) or _quantity(m)
        end = number.end if number else m.end()
        if number and (number.kind != "clock" or clock) and (number.kind != "ordinal" or ordinals):
            quantities.append(number)
    return tuple(quantities)


def _time(m: re.Match[str]) -> Number | None:
    time = _CLOCK.match(m.string, m.end())
    if not time or not time[0].strip() or m["den"] or not re.fullmatch(r"\d\d?", m["num"]):
        return None
    value = Fraction(m["num"]) + Fraction(time["minutes"] or 0) / 60
    return Number(value, m.start(), time.end(), "clock")


def _ordinal(m: re.Match[str]) -> Number | None:
    suffix = _ORDINAL.match(m.string, m.end())
    return Number(_fraction(m["num"]), m.start(), suffix.end(), "ordinal") if suffix else None


def _quantity(m: re.Match[str]) -> Number | None:
    """The quantity at a match of ``_NUMBER``; ``None`` if it is part of something else."""
    text, end = m.string, m.end()
    value = _fraction(m["num"])
    denominator = _fraction(m["den"]) if m["den"] else Fraction(1)
    if not denominator:
        return None
    if m["den"] or m["whole"]:
        value = value / denominator + int(m["whole"] or 0)
    if power := _POWER.match(text, end):
        has_mantissa = power["base"].lower() == "e" or "10" in power["base"]
        exponent = int(power[2])
        value = value * Fraction(10) ** exponent if has_mantissa else Fraction(10) ** exponent
        end = power.end()
    scale = 1
    if word := _SCALE.match(text, end):
        scale, end = _SCALES[word[1].lower()], word.end()
    elif (short := _SHORT.match(text, end)) and (m["money"] or short[1] in "kK"):
        scale, end = {"k": 1000, "m": 10**6, "b": 10**9}[short[1][0].lower()], short.end()
    after = _AFTER.match(text, end)
    if not after and _ATTACHED.match(text, end):
        return None
    minus = m["sign"] and not re.search(r"[\d)\]%]\s*$", text[max(0, m.start() - 20) : m.start()])
    if minus or m["sign2"]:
        value = -value
    kind = "money" if m["money"] else ""
    if after:
        kind, end = "percent" if after["percent"] else "money", after.end()
    return Number(value * scale if scale > 1 else value, m.start(), end, kind, scale)


def _fraction(digits: str) -> Fraction:
    digits = re.sub(r"[,'’_ ]", "", digits)
    return Fraction(int(digits)) if digits.isdigit() else Fraction(digits)


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {word: n for n, word in enumerate(_ONES)}
_VALUES |= {word: 10 * n for n, word in enumerate(_TENS, 2)}
_SMALL = (
    rf"(?:{'|'.join(_TENS)})(?:[-\s](?:{'|'.join(_ONES[1:10])})\b)?|(?:{'|'.join(reversed(_ONES))})"
)
_WORD = re.compile(
    rf"""\b(?<![\w-]-)(?:
    (?P<many>{_SMALL}|an?|half\ an?)[\s-](?P<scale>dozen|hundred|thousand)\b
       (?:\s(?P<hundreds>{_SMALL})[\s-]hundred\b)?
       (?:\s(?:and\s)?(?P<rest>{_SMALL})\b(?![\s-](?:dozen|hundred|thousand)))?
    | (?P<small>{_SMALL})\b(?P<half>\s+and\s+an?\s+half\b)? ) (?!-\w)""",
    re.X | re.I,
)


def number_words(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each number in words in ``text`` as a match, with the same number in digits.

    "thirty-six" gives ``36``, "two dozen" ``2 dozen``, "a hundred and five" ``105``.
    """
    for m in _WORD.finditer(text):
        if m["small"]:
            digits = f"{_small(m['small'])}{'.5' if m['half'] else ''}"
        else:
            many = {"a": 1, "an": 1, "half a": 0.5, "half an": 0.5}.get(m["many"].lower())
            many = _small(m["many"]) if many is None else many
            scale = m["scale"].lower()
            if scale == "dozen":
                digits = f"{many} dozen"
            else:
                rest = 100 * _small(m["hundreds"] or "zero") + _small(m["rest"] or "zero")
                digits = f"{many * _SCALES[scale] + rest:.10g}"
        yield m, digits


def _small(words: str) -> int:
    return sum(_VALUES[word] for word in re.split(r"[-\s]+", words.lower()))
