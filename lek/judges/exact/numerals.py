"""Quantities in text with Markdown and LaTeX, as exact fractions with their positions.

Supports thousands separators, decimals, negative numbers, fractions, mixed numbers, currency and
percent signs, and units. Ignores what is not a quantity: clock times, ordinals, algebra (``2x``),
words such as "thirty-minute". Number words ("eighteen") are not supported.
"""

import re
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Number:
    """A quantity in a text: its value, its start and end, and whether it is a sum of money."""

    value: Fraction
    start: int
    end: int
    money: bool


_FRAC = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_WRAP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|mbox)\s*\{([^{}]*)\}")
_MATH = re.compile(r"(?<!\\)\$(?=\S)([^$]*?)(?<=\S)(?<!\\)\$(?!\d)")  # Pandoc's rule for $...$
_CHARACTERS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00a0": " ", "\u202f": " ", "≈": "="})
_LITERAL = {
    "\\$": "$",
    "\\%": "%",
    "\\times": "×",
    "\\cdot": "×",
    "\\div": "÷",
    "\\approx": "=",
    "\\left": "",
    "\\right": "",
    "{,}": ",",
    "\\!": "",
}


def strip_latex(text: str) -> str:
    """``text`` without Markdown emphasis, LaTeX markup and GSM8K's ``<<...>>`` annotations."""
    text = re.sub(r"<<[^<>\n]*>>", "", text)
    text = re.sub(r"\$\$(.+?)\$\$", r" \1 ", text, flags=re.S)
    text = _MATH.sub(r"\1", re.sub(r"\\[\[\]()]", " ", text))
    text = text.translate(_CHARACTERS)
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    return re.sub(r"\*\*|__|`|</?(?:b|strong|em|i)>", "", text)


def _without_latex(text: str) -> str:
    for old, new in _LITERAL.items():
        text = text.replace(old, new)
    text = re.sub(r"(?<=\d)\\[,; ](?=\d{3}\b)", ",", text)
    text = re.sub(r"\\[,;: ]", " ", text)
    for _ in range(3):  # nested groups, up to three levels
        text = _WRAP.sub(r" \1 ", text)
        text = _FRAC.sub(lambda m: f" {_group(m[1])}/{_group(m[2])} ", text)
    return text


def _group(part: str) -> str:
    part = part.strip()
    return part if re.fullmatch(r"\$?[\d.,]+", part) else f"({part})"


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![\w.)\]%]) -(?=[$€£\d.]) )?
    (?P<money>[$€£]\s?(?P<sign2>-)?)?
    (?<![\w.]) (?: (?P<whole>\d+)\s+(?=\d+/\d) )?
    (?P<num>{_DIGITS})
    (?: \s*/\s* [$]?(?P<den>{_DIGITS}) (?![\w/]) )?
    (?P<after>\s?%|\s?(?:dollars?|cents?|euros?|pounds\ sterling)\b)?
    """,
    re.X | re.I,
)
_LONGEST = 300  # characters; a longer number is the output of a model that is stuck
_CLOCK = re.compile(r"\s?(?::\d\d|[ap]\.?m\b)", re.I)
_ATTACHED = re.compile(r"(?:st|nd|rd|th)\b|[A-Za-z](?![A-Za-z])(?!\w)|[-_][A-Za-z]|\^|_|\(|,\d")


def numbers(text: str) -> list[Number]:
    """The quantities in ``text`` (without LaTeX, see `strip_latex`), in order of appearance."""
    quantities = []
    for m in _NUMBER.finditer(text):
        after = text[m.end() : m.end() + 20]
        if m.end() - m.start() > _LONGEST:
            continue
        clock = _CLOCK.match(after) or text[max(0, m.start() - 1) : m.start()] == ":"
        if clock or (not m["after"] and _ATTACHED.match(after)):
            continue
        value = _fraction(m["num"])
        if m["den"]:
            denominator = _fraction(m["den"])
            if not denominator:
                continue
            value /= denominator
        if m["whole"]:
            value += int(m["whole"])
        minus = m["sign"] and not re.search(
            r"[\d)\]%]\s*$", text[max(0, m.start() - 20) : m.start()]
        )
        if minus or m["sign2"]:
            value = -value
        after_money = bool(m["after"]) and "%" not in m["after"]
        quantities.append(Number(value, m.start(), m.end(), bool(m["money"]) or after_money))
    return quantities


def _fraction(digits: str) -> Fraction:
    digits = digits.replace(",", "")
    return Fraction(int(digits)) if digits.isdigit() else Fraction(digits)
