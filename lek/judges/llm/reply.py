"""Parse the reply of an LLM judge into a vote.

A reply is accepted or rejected as a whole: it must be one JSON object that repeats the fence of its
case and has a score for every measure, within its scale, and no other keys. Nothing is guessed,
repaired or rounded.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from lek.benchmarks.benchmark import Measure, Scale
from lek.judges.llm.prompt import FENCE, REASONS, sanitize
from lek.providers.request import Reply
from lek.records import Vote

VERSION = 1  # part of the key of every vote: increase it when replies are parsed differently
_LONGEST = 2_000  # characters of the reasons
_THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.S)
_PART = "the JSON object in the judge's reply is part of another structure"
_DIGITS = 40  # longer integers are outside every scale, and int() on them is slow


class _InvalidReply(ValueError):
    """Why a reply contains no vote."""


class _InvalidNumber(str):
    """A number that JSON does not allow (NaN, Infinity), or one with too many digits."""

    __slots__ = ()


def parse_reply(reply: Reply, measures: Sequence[Measure], nonce: str) -> Vote | str:
    """Return the vote in ``reply``, with a score for each of ``measures`` in their order.

    Returns the reason as a string if the reply is invalid, which makes all measures unscored. Never
    raises because of what a model wrote, and takes time linear in its length.
    """
    if reply.text is None:
        return reply.reason or "the judge gave no text"
    if used_up(reply):
        return "the judge's reply was cut off by its token limit before any text; raise max_tokens"
    if reply.finish == "length":
        return "the judge's reply was cut off by its token limit"
    try:
        fields = _object(reply.text)
        return Vote(
            scores=_scores(fields, measures, nonce),
            reasons=_reasons(fields[REASONS]),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
    except _InvalidReply as e:
        return str(e)


def used_up(reply: Reply) -> bool:
    """Whether thinking used up the token limit, so that no text was left for a vote.

    The same question with the same settings would have the same outcome.
    """
    text = (reply.text or "").lstrip()
    thinking = text.startswith("<think>") and "</think>" not in text
    return reply.finish == "length" and (not text or thinking)


def _object(text: str) -> dict[str, Any]:
    """The only JSON object in ``text``.

    Text around it must not contain braces, since the object could then be part of another one.
    """
    if not text.strip():
        raise _InvalidReply("the judge's reply is empty")
    text = _without_thoughts(text)
    start = text.find("{")
    if start < 0:
        raise _InvalidReply("the judge's reply contains no JSON object")
    try:
        fields, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as e:
        raise _InvalidReply(
            f"the judge's reply contains no complete JSON object ({e.msg})"
        ) from None
    except RecursionError:
        raise _InvalidReply("the judge's reply is nested too deeply") from None
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if "{" in after:
        raise _InvalidReply("the judge's reply contains more than one JSON object, or parts of one")
    inside = before.endswith(("[", '":')) or after.startswith(("]", ","))
    if inside or "}" in before or "}" in after:
        raise _InvalidReply(_PART)
    if "</think>" in after:
        raise _InvalidReply("the JSON object in the judge's reply is inside its thoughts")
    assert isinstance(fields, dict)  # it begins with a brace
    return fields


def _without_thoughts(text: str) -> str:
    if not text.lstrip().startswith("<think>"):
        return text
    thoughts = _THOUGHTS.match(text)
    if thoughts is None:
        raise _InvalidReply("the judge's reply has thoughts without a closing tag")
    return text[thoughts.end() :]


def _keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """``pairs`` as a dictionary; raises `_InvalidReply` for a key that occurs twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise _InvalidReply(f"the judge's reply has {_shown(twice)} twice")
    return fields


def _integer(digits: str) -> int | _InvalidNumber:
    return (
        int(digits)
        if len(digits) <= _DIGITS
        else _InvalidNumber(f"a number of {len(digits)} digits")
    )


# not strict: a line break inside a string is invalid JSON, but it is unambiguous
_DECODER = json.JSONDecoder(
    object_pairs_hook=_keys, parse_int=_integer, parse_constant=_InvalidNumber, strict=False
)


def _scores(fields: dict[str, Any], measures: Sequence[Measure], nonce: str) -> dict[str, float]:
    expected = (FENCE, REASONS, *(m.name for m in measures))
    if FENCE not in fields and _contains_vote(list(fields.values()), nonce):
        raise _InvalidReply(_PART)
    if FENCE not in fields or fields[FENCE] != nonce:
        raise _InvalidReply(
            "the judge's reply does not repeat the fence (it may be copied from the answer)"
        )
    for key in expected:
        if key not in fields:
            raise _InvalidReply(f'the judge\'s reply lacks "{key}"')
    for key in fields:
        if key not in expected:
            raise _InvalidReply(f"the judge's reply has an unknown key, {_shown(key)}")
    return {m.name: _number(m.name, fields[m.name], m.scale) for m in measures}


def _contains_vote(values: list[Any], nonce: str) -> bool:
    """Whether ``values``, of any depth, contain an object with the fence ``nonce``."""
    for value in values:  # grows while it is read
        if isinstance(value, str) and value.lstrip().startswith("{") and nonce in value:
            return True
        if isinstance(value, dict):
            if value.get(FENCE) == nonce:
                return True
            values += value.values()
        elif isinstance(value, list):
            values += value
    return False


def _number(measure: str, value: object, scale: Scale) -> float:
    if isinstance(value, _InvalidNumber):
        raise _InvalidReply(f"{measure} is {value}, outside {scale}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _InvalidReply(f"{measure} is {_shown(value)}, not a number")
    fault = scale.fault(value)
    if fault is not None:
        raise _InvalidReply(f"{measure} {fault}")
    return float(value)


def _reasons(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, _InvalidNumber):
        raise _InvalidReply(f"{REASONS} is {_shown(value)}, not a text")
    # without lone surrogates, which cannot be written to a file, and invisible characters
    text = sanitize(value).strip()
    if not text:
        raise _InvalidReply(f"{REASONS} is empty")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _shown(value: object) -> str:
    """``value`` as JSON, shortened to fit into a line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, _InvalidNumber):
        return str(value)
    written = json.dumps(sanitize(value) if isinstance(value, str) else value, ensure_ascii=False)
    return written if len(written) <= 60 else f"{written[:59]}…"
