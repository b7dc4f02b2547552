"""Plain text, sentences and words of a model's answer.

English only. What is covered: Markdown, full-width and look-alike letters, invisible characters,
typographic quotes, padding. At most `LIMIT` characters are read, the first and the last of a longer
text, so that every reader is linear and quick.
"""

import re
import unicodedata
from functools import lru_cache

LIMIT = 20_000
_HEAD = 14_000  # of these, how many are the first of a text
_RAW = 300_000, 100_000  # first and last characters in which what is unseen is looked for
_STRETCH = re.compile(r"(.)\1{79,}", re.S)  # one character over and over shows as 80 of it
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
    """At most `LIMIT` characters of ``text``, without markup and without what nobody sees."""
    first, last = _RAW
    text = text if len(text) <= first + last else f"{text[:first]}\n{text[-last:]}"
    text = _STRETCH.sub(lambda m: m[0][:80], text if text.isascii() else _latin(text))
    text = text.replace("\t", " ").replace("\r", "")
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r" {2,}", " ", text))
    if len(text) > LIMIT:
        text = f"{text[:_HEAD]}\n{text[_HEAD - LIMIT :]}"
    text = _MARKUP.sub("", _BULLET.sub("- ", text))
    return re.sub(r" {2,}", " ", text).strip()


def _latin(text: str) -> str:
    """``text`` in the letters that it seems to be in, without invisible characters."""
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    if len(bare) * 4 < len(apart) * 3:  # no language has so many marks: letters hidden under them
        text = bare
    text = unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHY)
    text = "".join(c for c in text if c in "\n" or unicodedata.category(c) not in _INVISIBLE)
    return _LETTERS.sub(_seen, text)


def _seen(word: re.Match[str]) -> str:
    """A word in Latin letters, where all of it looks like them."""
    latin = word[0].translate(_LOOK_ALIKE)
    return latin if latin.isascii() else word[0]


@lru_cache(maxsize=64)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences, headings and list items of ``text`` (as it was written), in order."""
    found: list[str] = []
    open_: list[str] = []
    for part in filter(None, map(str.strip, _END.split(strip_markup(text)))):
        open_.append(part)
        if not _ABBREVIATION.fullmatch(part.rsplit(maxsplit=1)[-1]):
            found.append(" ".join(open_))
            open_ = []
    return (*found, " ".join(open_)) if open_ else tuple(found)


def words(text: str) -> list[str]:
    """The words and numbers of ``text`` in lower case."""
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
