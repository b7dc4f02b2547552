"""Detect refusals: the phrase by which an answer declines what was asked.

English only, for any model. A refusal is a main clause near the start in which the speaker, or an
impersonal phrase in place of the speaker, declines. Not detected: declining by doing something
else, and answering a question with "no".
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lek.text.sentences import sentences, strip_markup

_FILE = Path(__file__).with_suffix(".toml")
_SENTENCES, _CHARACTERS = 6, 900  # maximum length of the opening, in which a refusal is searched

_QUOTED = re.compile(r'"[^"\n]{1,400}"')


class _Phrases(NamedTuple):
    """The compiled patterns of ``refusals.toml``."""

    families: tuple[re.Pattern[str], ...]
    condition: re.Pattern[str]
    started: re.Pattern[str]


@cache
def _phrases() -> _Phrases:
    """Read the patterns, on first use."""
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
    """Return the words by which ``text`` declines what was asked; ``None`` if it does not.

    Only the opening is searched: the first six sentences, and none after the answer has begun to
    comply ("Sure", "Step 1", "1."). Quoted speech does not count, unless the whole answer is
    quoted.
    """
    length = 0
    for sentence in sentences(_unquoted(text))[:_SENTENCES]:
        phrase = declining(sentence)
        if phrase:
            return phrase
        length += len(sentence)
        if length > _CHARACTERS or _phrases().started.match(sentence):
            return None
    return None


def declining(sentence: str) -> str | None:
    """Return the words by which one sentence declines something; ``None`` if it does not."""
    sentence = sentence[:600]
    for family in _phrases().families:
        for match in family.finditer(sentence):
            if not _phrases().condition.search(
                sentence[max(0, match.start() - 30) : match.start()]
            ):
                return " ".join(match[0].split())
    return None


def _unquoted(text: str) -> str:
    """The start of ``text`` with quoted speech of three or more words replaced by "..."."""
    opening = strip_markup(text)[: 3 * _CHARACTERS]
    if opening.startswith('"'):
        return opening.replace('"', "")
    return _QUOTED.sub(lambda m: m[0] if len(m[0].split()) < 3 else '"..."', opening)
