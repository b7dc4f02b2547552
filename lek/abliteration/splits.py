"""Harmful and harmless prompts -> those to find directions, to choose one, and to report on it."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from lek.errors import BadInput

LEAST = 32  # distinct prompts of each kind: 8 to choose by, 8 to report on
_CHOOSE, _REPORT = 32, 100  # at most; a longer list finds better directions


class Parts(NamedTuple):
    """Prompts of one kind, none of them in two parts: about a half, a quarter, a quarter."""

    fit: list[str]
    choose: list[str]
    report: list[str]


def split(
    harmful: Sequence[str], harmless: Sequence[str], names: tuple[str, str], seed: int
) -> tuple[Parts, Parts]:
    """Both kinds in parts, shuffled with ``seed``. A prompt that stands there twice counts once.

    Raises `BadInput`, with the file's name of ``names``, for too few prompts and for one that is
    of both kinds.
    """
    both = set(harmful) & set(harmless)
    if both:
        raise BadInput(f"{names[0]}: {min(both)!r} is in {names[1]} too; it can be of one kind")
    bad, good = (
        _parts(prompts, name, random.Random(f"{seed} {kind}"))  # noqa: S311 - a split, no secret
        for prompts, name, kind in zip((harmful, harmless), names, "ab", strict=True)
    )
    return bad, good


def _parts(prompts: Sequence[str], name: str, rng: random.Random) -> Parts:
    distinct = sorted(set(prompts))
    if len(distinct) < LEAST:
        raise BadInput(
            f"{name}: {len(distinct)} distinct prompts, too few to find a direction, choose it and "
            f"report on it; give at least {LEAST}, better 200"
        )
    rng.shuffle(distinct)
    quarter = len(distinct) // 4
    first, second = min(quarter, _CHOOSE), min(quarter, _REPORT)
    return Parts(distinct[first + second :], distinct[:first], distinct[first : first + second])
