"""What a judge that is a model replied -> its vote, or the reason why there is none.

A reply is taken whole or not at all: one JSON object that repeats the fence of its case, has every
measure on its scale, and nothing else. Nothing is guessed, mended or rounded.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from lek.benchmarks.benchmark import Measure, Scale
from lek.judges.llm.prompt import FENCE, REASONS, sanitize
from lek.providers.request import Reply
from lek.records import Vote

VERSION = 1  # part of the key of every vote: raise it when replies are read in another way
_LONGEST = 2_000
_THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.S)
_DIGITS = 40  # more make a number that no scale has, and an int() that takes long


class _Unread(ValueError):
    """Why a reply holds no verdict."""


class _Word(str):
    """A number that JSON does not have, or one of more digits than are read."""

    __slots__ = ()


def parse_reply(reply: Reply, measures: Sequence[Measure], nonce: str) -> Vote | str:
    """The vote in ``reply``, with a score for each of ``measures`` in their order.

    A text instead is the one reason why the whole reply is unscored. Never raises on what a model
    wrote, and takes time in proportion to its length.
    """
    if reply.text is None:
        return reply.reason or "the judge gave no text"
    if reply.finish == "length":
        return "the judge's reply was cut off by its token limit"
    try:
        found = _object(reply.text)
        return Vote(
            scores=_scores(found, measures, nonce),
            reasons=_reasons(found[REASONS]),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
    except _Unread as e:
        return str(e)


def _object(text: str) -> dict[str, Any]:
    """The one JSON object of ``text``. Words around it may hold no brace: it could be a part."""
    if not text.strip():
        raise _Unread("the judge's reply is empty")
    text = _without_thoughts(text)
    start = text.find("{")
    if start < 0:
        raise _Unread("the judge's reply holds no JSON object")
    try:
        found, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as e:
        raise _Unread(f"the judge's reply holds no whole JSON object ({e.msg})") from None
    except RecursionError:
        raise _Unread("the judge's reply is nested too deeply") from None
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if "{" in after:
        raise _Unread("the judge's reply holds more than one JSON object, or parts of one")
    inside = before.endswith(("[", '":')) or after.startswith(("]", ","))
    if inside or "}" in before or "}" in after:
        raise _Unread("the JSON object of the judge's reply is part of something else")
    if "</think>" in after:
        raise _Unread("the JSON object of the judge's reply stands in its thoughts")
    assert isinstance(found, dict)  # it begins with a brace
    return found


def _without_thoughts(text: str) -> str:
    if not text.lstrip().startswith("<think>"):
        return text
    thoughts = _THOUGHTS.match(text)
    if thoughts is None:
        raise _Unread("the judge's reply has thoughts without an end")
    return text[thoughts.end() :]


def _keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise _Unread(f"the judge's reply has {_shown(twice)} twice")
    return table


def _whole(digits: str) -> int | _Word:
    return int(digits) if len(digits) <= _DIGITS else _Word(f"a number of {len(digits)} digits")


# a line break inside a text is no JSON, but it can be read in one way only
_DECODER = json.JSONDecoder(
    object_pairs_hook=_keys, parse_int=_whole, parse_constant=_Word, strict=False
)


def _scores(found: dict[str, Any], measures: Sequence[Measure], nonce: str) -> dict[str, float]:
    wanted = (FENCE, REASONS, *(m.name for m in measures))
    if FENCE not in found or found[FENCE] != nonce:
        raise _Unread("the judge's reply does not repeat the fence: may be an echo of the answer")
    for key in wanted:
        if key not in found:
            raise _Unread(f'the judge\'s reply lacks "{key}"')
    for key in found:
        if key not in wanted:
            raise _Unread(f"the judge's reply has an unknown key, {_shown(key)}")
    return {m.name: _number(m.name, found[m.name], m.scale) for m in measures}


def _number(measure: str, value: object, scale: Scale) -> float:
    if isinstance(value, _Word):
        raise _Unread(f"{measure} is {value}, outside {scale}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unread(f"{measure} is {_shown(value)}, not a number")
    fault = scale.fault(value)
    if fault is not None:
        raise _Unread(f"{measure} {fault}")
    return float(value)


def _reasons(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, _Word):
        raise _Unread(f"{REASONS} is {_shown(value)}, not a text")
    # halves of characters would not go into a file, and nobody sees the others
    text = sanitize(value).strip()
    if not text:
        raise _Unread(f"{REASONS} is empty")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _shown(value: object) -> str:
    """``value`` as JSON writes it, short enough for a line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, _Word):
        return str(value)
    written = json.dumps(sanitize(value) if isinstance(value, str) else value, ensure_ascii=False)
    return written if len(written) <= 60 else f"{written[:59]}…"
