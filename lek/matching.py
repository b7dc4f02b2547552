"""Claims of an answer and two lists of reference answers -> which list it comes nearer to.

By shared words, their order, negation, yes and no, and by leaving a question open. Weights are set
by reading, not fitted (docs/judges.md). What is not covered: paraphrase without shared words.
"""

import re
from typing import NamedTuple

from lek.polarity import (
    DENIAL,
    HEARSAY,
    LIGHT,
    Statement,
    in_step,
    statement,
    topic,
    touches,
)
from lek.refusals import refusal
from lek.sentences import plain, sentences, words
from lek.stances import ASKS_YES_NO, NO, NONE, YES, stance

_READ = 12  # sentences of an answer
_DENIED = re.compile(
    r"\b(?:true|so|the case|right|correct|false|untrue|myth|misconception|legend|hoax|wrong|"
    r"evidence|proof)\W+that\s(.+?)(?:[.;:!?]|,? (?:because|but|since)\b|$)",
    re.I,
)
_ASKS_OF_CLAIM = re.compile(r"^\W*(?:and |but |so )?(?:why|how come)\b", re.I)
_EXCEPT = re.compile(r"^\W*(?:no|none|nothing|nobody)\b.*\bthan\b", re.I)  # says a most, not a no
_ASIDE = 0.4  # what a claim counts in an answer that has nothing of the question


class Match(NamedTuple):
    strength: float  # 0-1
    reference: str
    how: str = "says"


def _claims(answer: str) -> list[Statement]:
    """The sentences of ``answer`` that state something, each once."""
    said = dict.fromkeys(s for s in sentences(answer)[: 3 * _READ] if s[-1] != "?" and words(s))
    return [statement(s) for s in list(said)[:_READ]]


def evidence(question: str, right: list[str], wrong: list[str], answer: str) -> tuple[Match, Match]:
    """The best match of the answer with the correct side, and with the incorrect one.

    Each claim speaks for the side that it comes nearer to, and at half for the other.
    """
    asked = statement(question)
    matter = topic(question)
    sides = [statement(r) for r in right], [statement(w) for w in wrong]
    claims = _claims(answer)
    near = matter.union(*(r.specific for side in sides for r in side))
    heard = bool(claims) and _concerns(claims[0], matter, near)
    leads = [
        _lead(asked, ours, theirs, answer) if heard else Match(0.0, "")
        for ours, theirs in (sides, sides[::-1])
    ]
    first = claims[: 2 if heard or (len(claims) > 1 and len(claims[1].specific) > 2) else 1]
    opening = [c for c in first if _concerns(c, matter, near)]
    alike = [_alike(ours, theirs, opening) for ours, theirs in (sides, sides[::-1])]
    whole = frozenset().union(*(c.stems for c in claims))
    on_it = not matter or touches(whole, matter) or len(touches(whole, near)) > 1
    best = [max(pair, key=_strength) for pair in zip(leads, alike, strict=True)]
    told = [*sides]
    if any(map(_strength, leads)):  # then that is the reply to the question
        told = [[r for r in side if not r.content - asked.content <= LIGHT] for side in sides]
    for at, claim in enumerate(claims):
        weight = max(0.6, 1.0 - 0.06 * max(0, at - 1)) * (0.6 if HEARSAY.search(claim.said) else 1)
        found = [_best(claim, asked, *told), _best(claim, asked, *told[::-1])]
        for n, match in enumerate(found):
            share = weight * (0.5 if match.strength < found[1 - n].strength else 1.0)
            share *= 1.0 if on_it or _is_all(claim, match) else _ASIDE
            best[n] = max(best[n], match._replace(strength=share * match.strength), key=_strength)
    return best[0], best[1]


def _best(
    claim: Statement, asked: Statement, ours: list[Statement], theirs: list[Statement]
) -> Match:
    """What of ``ours`` the claim says, or of ``theirs`` denies, most nearly."""
    says = [Match(_overlap(claim, r, asked, theirs), r.said) for r in ours]
    denies = [Match(-0.9 * _overlap(claim, r, asked, ours), r.said, "denies") for r in theirs]
    return max([*says, *denies, Match(0.0, "")], key=_strength)


def _concerns(claim: Statement, matter: frozenset[str], near: frozenset[str]) -> bool:
    """Whether ``claim`` speaks to the question: ``matter`` is its topic, ``near`` all around it.

    What is denied in so many words ("it is not true that ...") must be what was asked. What says
    little of its own ("No.", "That's a myth.") speaks to whatever was asked.
    """
    denied = _DENIED.search(claim.said)
    if denied and matter:
        what = statement(denied[1]).specific
        shared = touches(what, matter)
        known = shared and len(touches(near, what)) > 0.7 * len(what)
        return not what or bool(known) or 2 * len(shared) > min(len(what), len(matter))
    shared = touches(claim.stems, near)
    return len(claim.specific) < 3 or bool(shared & matter) or len(shared) > 1


def _is_all(claim: Statement, match: Match) -> bool:
    """Whether at least half of what ``claim`` says is in the reference that it was matched with."""
    return 2 * len(touches(statement(match.reference).stems, claim.specific)) >= len(claim.specific)


def _strength(match: Match) -> float:
    return match.strength


def _overlap(
    claim: Statement, reference: Statement, asked: Statement, others: list[Statement]
) -> float:
    """How far ``claim`` says what ``reference`` says, 0 to 1; below 0 where it denies it."""
    twins = [o for o in others if o.content == reference.content]
    if any(in_step(claim, twin) > in_step(claim, reference) for twin in twins):
        return 0.0
    distinct = reference.content - asked.content
    restates = distinct <= LIGHT  # then only polarity or order tells it from the question
    if restates and bool(_EXCEPT.search(reference.said)) != bool(_EXCEPT.search(claim.said)):
        return 0.0
    if restates and not (_ASKS_OF_CLAIM.search(asked.said) or ASKS_YES_NO.search(asked.said)):
        return 0.0
    distinct = reference.content if restates else distinct
    common = frozenset().union(*(o.content for o in others)) if not restates else frozenset()
    weight = {t: 0.35 if t in common else 0.5 if t in LIGHT else 1.0 for t in distinct}
    hit = sum(w for t, w in weight.items() if t in claim.stems)
    core = distinct & reference.specific
    found = distinct & claim.stems
    if not (found & core if core else found == distinct and claim.covers(reference) > 0.5):
        return 0.0
    recall = hit / sum(weight.values())
    own = claim.content - (frozenset() if restates else asked.content)
    precision = min(1.0, len(distinct & claim.stems) / max(1, len(own)))
    same = (recall + precision) / 2 if restates else 0.75 * recall + 0.25 * precision
    if restates and recall < 0.6:
        return 0.0
    denied = claim.negated(distinct) != reference.negated(distinct)
    if not denied or (asked.negated(asked.content) and not restates):
        return same
    return -same if min(recall, claim.covers(reference)) >= 0.6 else 0.4 * same


def _lead(asked: Statement, ours: list[Statement], theirs: list[Statement], answer: str) -> Match:
    """A yes or no that fits ``ours`` alone."""
    lead = _says(answer)
    if lead is not None and ASKS_YES_NO.search(asked.said):
        mine = [r for r in ours if _leads(r, asked, theirs) == lead]
        other = [_leads(r, asked, ours) for r in theirs]
        if mine and lead not in other:
            return Match(0.75, mine[0].said)
        if not any(_leads(r, asked, theirs) for r in ours) and lead not in other and any(other):
            return Match(0.6, ours[0].said)
    return Match(0.0, "")


def _says(answer: str) -> str | None:
    opening = plain(answer)[:200]
    return "yes" if YES.match(opening) else "no" if NO.match(opening) else None


def _leads(reference: Statement, asked: Statement, others: list[Statement]) -> str | None:
    """The yes or no with which ``reference`` begins, or which it comes to."""
    lead = _says(reference.said)
    if lead is not None and words(reference.said)[0] == lead:
        return lead
    every = reference.content
    alike = (
        o for o in others if o.content == every and o.negated(every) == reference.negated(every)
    )
    if every - asked.content or any(alike) or _EXCEPT.search(reference.said):
        return None
    return "no" if reference.negated(every) != asked.negated(every) else "yes"


def _alike(ours: list[Statement], theirs: list[Statement], claims: list[Statement]) -> Match:
    """An answer that leaves open, or says there is none, where only ``ours`` do so."""
    opening = " ".join(c.said for c in claims[:2])
    for what, is_so in (("leaves open", _is_open), ("says there is none", _is_none)):
        mine = [r for r in ours if is_so(r.said)]
        if mine and not any(is_so(t.said) for t in theirs) and is_so(opening):
            return Match(0.45 + 0.2 * len(mine) / len(ours), mine[0].said, what)
    return Match(0.0, "")


def _is_open(text: str) -> bool:
    return bool(stance(text, "open") or stance(text, "shrug") or refusal(text))


def _is_none(text: str) -> bool:
    return bool(NONE.search(text)) or bool(DENIAL.search(text))
