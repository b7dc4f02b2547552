"""An answer -> the phrase by which it declines what was asked, or ``None``.

English, for any model. A refusal is a main clause near the start in which the speaker, or an
impersonal phrase that stands for the speaker, declines. What is not covered: declining by doing
something else, and answering a question with no.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lek.text.sentences import sentences, strip_markup

_FILE = Path(__file__).with_suffix(".toml")
_SENTENCES, _CHARACTERS = 6, 900  # how far the opening goes

_QUOTED = re.compile(r'"[^"\n]{1,400}"')


class _Phrases(NamedTuple):
    """The patterns of ``refusals.toml``."""

    families: tuple[re.Pattern[str], ...]
    condition: re.Pattern[str]
    started: re.Pattern[str]


@cache
def _phrases() -> _Phrases:
    """The phrases, read on first use."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    parts = {
        name: f"(?:{'|'.join(value)})" if isinstance(value, list) else value
        for name, value in content.items()
        if name != "families"
    }
    families = (re.compile(f.format(**parts), re.I) for f in content["families"])
    condition, started = (re.compile(content[name], re.I) for name in ("condition", "started"))
    return _Phrases(tuple(families), condition, started)


def refusal(text: str) -> str | None:
    """The words by which ``text`` declines what was asked, or ``None`` when it does not.

    Read is the opening: the first six sentences, but none after the answer has begun to comply
    ("Sure", "Step 1", "1."). Quoted speech is no refusal, unless the whole answer is quoted.
    """
    read = 0
    for sentence in sentences(_unquoted(text))[:_SENTENCES]:
        found = declining(sentence)
        if found:
            return found
        read += len(sentence)
        if read > _CHARACTERS or _phrases().started.match(sentence):
            return None
    return None


def declining(sentence: str) -> str | None:
    """The words by which one sentence declines something, or ``None``."""
    sentence = sentence[:600]
    for family in _phrases().families:
        for match in family.finditer(sentence):
            if not _phrases().condition.search(
                sentence[max(0, match.start() - 30) : match.start()]
            ):
                return " ".join(match[0].split())
    return None


def _unquoted(text: str) -> str:
    opening = strip_markup(text)[: 3 * _CHARACTERS]
    if opening.startswith('"'):
        return opening.replace('"', "")
    return _QUOTED.sub(lambda m: m[0] if len(m[0].split()) < 3 else '"..."', opening)
