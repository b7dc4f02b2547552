"""Plain text, sentences and words of a model's answer.

English only. Markdown, full-width and look-alike letters, invisible characters, typographic quotes
and padding are normalised. At most `LIMIT` characters are used, from the start and the end of a
longer text, so that whatever reads it is fast.
"""

import re
import unicodedata
from functools import lru_cache

LIMIT = 20_000
_HEAD = 14_000  # of the `LIMIT` characters, how many come from the start of a text
_RAW = 300_000, 100_000  # characters at the start and the end that are normalised
_REPETITION = re.compile(r"(.)\1{79,}", re.S)  # of one character; shortened to 80
_LETTERS = re.compile(r"[^\W\d_]+")

_LOOK_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеѕіјорсухһԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧοα",
    "ABESIJKMHOPCTXYaesijopcyxhdABEZHIKMNOPTYXoa",
)
_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u02bc": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2212": "-",
        "\u2013": " - ",
        "\u2014": " - ",
        "\u00a0": " ",
        "\t": " ",
    }
)
_MARKUP = re.compile(
    r"\*{1,3}|_{2,3}|`{1,3}|~~|</?[a-zA-Z][a-zA-Z0-9]{0,10}>|^ {0,3}[#>]{1,6} ", re.M
)
_BULLET = re.compile(r"^ *[*•+-] +", re.M)
_INVISIBLE = {"Cf", "Cc", "Co", "Cn", "Mn"}
_END = re.compile(r"(?<=[.!?:])[\"')\]]{0,2}\s+|\n+")
_ABBREVIATION = re.compile(r"\(?(?:[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|\d{1,3})\.")
_WORD = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")


@lru_cache(maxsize=64)
def strip_markup(text: str) -> str:
    """Return at most `LIMIT` characters of ``text``, without markup and invisible characters."""
    first, last = _RAW
    text = text if len(text) <= first + last else f"{text[:first]}\n{text[-last:]}"
    text = _REPETITION.sub(lambda m: m[0][:80], text if text.isascii() else _normalised(text))
    text = text.replace("\t", " ").replace("\r", "")
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r" {2,}", " ", text))
    if len(text) > LIMIT:
        text = f"{text[:_HEAD]}\n{text[_HEAD - LIMIT :]}"
    text = _MARKUP.sub("", _BULLET.sub("- ", text))
    return re.sub(r" {2,}", " ", text).strip()


def _normalised(text: str) -> str:
    """``text`` with look-alike letters replaced, and without invisible characters."""
    decomposed = unicodedata.normalize("NFKD", text)
    unmarked = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    # more marks than any language has: they obscure the letters
    if len(unmarked) * 4 < len(decomposed) * 3:
        text = unmarked
    text = unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHY)
    text = "".join(c for c in text if c in "\n" or unicodedata.category(c) not in _INVISIBLE)
    return _LETTERS.sub(_latin, text)


def _latin(word: re.Match[str]) -> str:
    """The word in Latin letters if all of its letters look like Latin ones."""
    latin = word[0].translate(_LOOK_ALIKE)
    return latin if latin.isascii() else word[0]


@lru_cache(maxsize=64)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences, headings and list items of ``text``, without markup, in order."""
    complete: list[str] = []
    pending: list[str] = []
    for part in filter(None, map(str.strip, _END.split(strip_markup(text)))):
        pending.append(part)
        if not _ABBREVIATION.fullmatch(part.rsplit(maxsplit=1)[-1]):
            complete.append(" ".join(pending))
            pending = []
    return (*complete, " ".join(pending)) if pending else tuple(complete)


def words(text: str) -> list[str]:
    """Return the words and numbers of ``text`` in lower case."""
    return [w.lower() for w in _WORD.findall(text)]


FUNCTION = frozenset(
    "a an the this that these those it its itself he she they them him her his hers their "
    "theirs we us our ours you your yours i me my mine and or but nor so yet if then than as "
    "of in on at by for with from to into onto over under about between through during before "
    "after above below up down out off again once here there when where why how all any both "
    "each few more most other some such only own same too very just can will would could "
    "should may might must shall do does did doing done be is are was were been being am have "
    "has had having what which who whom whose while because until also even still now s t re "
    "ve ll d m o there's it's i'm you're that's don't doesn't didn't isn't aren't wasn't "
    "weren't won't can't cannot couldn't wouldn't shouldn't no not never none nothing neither "
    "let let's one ones however therefore though although rather quite really actually simply "
    "well oh yes".split()
)
