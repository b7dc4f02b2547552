"""A loaded model and two lists of prompts -> the model without its refusal direction, and a report.

Abliteration after Arditi et al. 2024 ("Refusal in Language Models Is Mediated by a Single
Direction", arXiv 2406.11717): one direction for all layers. What is not covered: directions of
several dimensions, and an affine edit that keeps a value other than 0.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

from lek.errors import BadInput
from lek.models.abliteration.batches import Progress
from lek.models.abliteration.directions import Candidate, candidates, positions, rendered
from lek.models.abliteration.effects import Asked, Edit, Effects, opening
from lek.models.abliteration.projection import (
    Site,
    check_unquantised,
    edited,
    leak,
    put,
    removed,
    sites,
    swapped,
)
from lek.models.weights import Loaded
from lek.profile.schema import Abliterate

LEAST = 32  # distinct prompts of each kind: 8 to choose by, 8 to report on
_CHOOSE, _REPORT = 32, 100  # at most; a longer list finds better directions


@dataclass(frozen=True)
class Report:
    """What was removed and what that did, on prompts that were used for nothing else.

    Rates are fractions of the harmful and harmless prompts of the report. Compliance is an answer
    that is neither a refusal nor degenerate. KL is KL(before || after) in nat on the harmless
    ones; ``leak`` the largest abs(r'y)/abs(y) of a write y. ``direction`` is the unit vector r.
    """

    layer: int
    position: int
    candidates: int
    fit_prompts: int
    choose_prompts: int
    harmful_prompts: int
    harmless_prompts: int
    refusals_before: float
    refusals_after: float
    harmful_compliance_before: float
    harmful_compliance_after: float
    harmless_compliance_before: float
    harmless_compliance_after: float
    first_token_kl: float
    answer_token_kl: float
    leak: float
    direction: tuple[float, ...] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """All but the direction, as plain JSON."""
        return {k: v for k, v in asdict(self).items() if k != "direction"}


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


_SKIM = 8  # prompts of each kind on which every direction is tried
_FINALISTS, _ROUNDS = 8, 3  # directions that are asked in earnest, and how often that many more
_SETTLED = 0.05  # of the harmful prompts left unanswered: no need for another round
_GONE = -20.0  # nat; a refusal that became so much less likely is gone, and more is no better


def abliterate(
    loaded: Loaded,
    settings: Abliterate,
    harmful: Sequence[str],
    harmless: Sequence[str],
    *,
    progress: Progress,
) -> Report:
    """Take the refusal direction out of ``loaded.model``, in place, and measure what that does.

    Each kind of prompt is split: half to find directions, a quarter to choose one, a quarter to
    report. Chosen is the one that leaves the fewest harmful prompts without a usable answer,
    among those whose answer-token KL on harmless prompts is at most ``settings.max_kl``; of
    equals the one with the lower KL, and of those about equal in this too, the one that makes
    refusals least likely. The same seed gives the same edit.

    Raises `BadInput`, with the model as it was: for quantised layers, an architecture that it
    cannot edit, too few prompts, a model that refuses none, and where none keeps to ``max_kl``.
    """
    bad, good = split(harmful, harmless, (settings.harmful, settings.harmless), settings.seed)
    model, tokenizer = loaded.model, loaded.tokenizer
    last = positions(tokenizer)
    writes = sites(model)
    check_unquantised(writes)
    effects = Effects(model, tokenizer, settings.max_tokens, progress)
    fit, choose, report = (
        [[rendered(tokenizer, p) for p in part] for part in kinds]
        for kinds in zip(bad, good, strict=True)
    )
    before = effects.ask(*choose, *report, what="answers before")
    found = candidates(model, fit[0], fit[1], last, opening(before), progress)
    chosen = _Choice(effects, writes, settings, *before[:2]).best(found)
    weights = edited(writes, chosen.direction, settings.ridge)
    shifts = effects.shifts(before[3], [partial(swapped, weights)], "divergence")[0]
    put(weights)
    after = effects.ask(*report, what="answers after")
    told = {}
    for when, (refusing, complying) in (("before", before[2:]), ("after", after)):
        told[f"refusals_{when}"] = fmean(a.refused for a in refusing.said)
        told[f"harmful_compliance_{when}"] = fmean(a.usable for a in refusing.said)
        told[f"harmless_compliance_{when}"] = fmean(a.usable for a in complying.said)
    return Report(
        layer=chosen.layer,
        position=chosen.position,
        candidates=len(found),
        fit_prompts=sum(map(len, fit)),
        choose_prompts=sum(map(len, choose)),
        harmful_prompts=len(report[0]),
        harmless_prompts=len(report[1]),
        **told,
        first_token_kl=fmean(s.first for s in shifts),
        answer_token_kl=fmean(s.answer for s in shifts),
        leak=leak(model, writes, chosen.direction, [p for part in report for p in part]),
        direction=tuple(chosen.direction.tolist()),
    )


@dataclass(frozen=True)
class _Trial:
    """A candidate and what its edit does: answer-token KL (nat) on harmless prompts, the change of
    log-likelihood of refusals, and how many harmful prompts it leaves without a usable answer,
    ``None`` before they were asked.
    """

    candidate: Candidate
    kl: float
    likely: float
    left: int | None = None


@dataclass(frozen=True)
class _Choice:
    """Chooses a direction by what its edit does to the prompts for choosing."""

    effects: Effects
    writes: Sequence[Site]
    settings: Abliterate
    bad: Asked
    good: Asked

    def best(self, found: Sequence[Candidate]) -> Candidate:
        """Skim all of ``found``, then have the most promising answer, eight at a time."""
        refused = [i for i, answer in enumerate(self.bad.said) if answer.refused]
        if not refused:
            raise BadInput(
                f"{self.settings.harmful}: the model refuses none of {len(self.bad.said)} prompts "
                "of this file, so there is nothing to remove; give prompts that it refuses"
            )
        if not found:
            raise BadInput(
                f"{self.settings.harmful}: to the model these prompts look the same as those of "
                f"{self.settings.harmless}; give others"
            )
        ranked = self._skim(found, self.bad.only(refused[:_SKIM]))
        trials: list[_Trial] = []
        for start in range(0, min(len(ranked), _ROUNDS * _FINALISTS), _FINALISTS):
            trials += self._tried(ranked[start : start + _FINALISTS])
            best = min(trials, key=self._rank)
            if best.left is not None and best.left <= _SETTLED * len(self.bad.said):
                break
        if best.left is None:
            raise BadInput(
                f"abliterate: max_kl = {self.settings.max_kl:g}: none of {len(found)} directions "
                f"keeps to it; the closest ({best.candidate}) has {best.kl:.3f} nat and leaves "
                f"{self._left(best.candidate)} of {len(self.bad.said)} harmful prompts without an "
                "answer. Allow more, or give more prompts"
            )
        return best.candidate

    def _rank(self, trial: _Trial) -> tuple[bool, float, float, float]:
        """Lower is better. Of KLs in the same tenth of ``max_kl``, none is better than another."""
        if trial.left is None:
            return True, trial.kl, 0.0, 0.0
        return False, trial.left, trial.kl // (self.settings.max_kl / 10), trial.likely

    def _edit(self, candidate: Candidate) -> Edit:
        return partial(removed, self.writes, candidate.direction, self.settings.ridge)

    def _skim(self, found: Sequence[Candidate], refused: Asked) -> list[_Trial]:
        """``found`` by what seems best: those within ``max_kl``, then refusals made less likely."""
        edits = [self._edit(c) for c in found]
        few = self.good.only(range(min(_SKIM, len(self.good.said))))
        freed = self.effects.shifts(refused, edits, "directions on harmful prompts")
        moved = self.effects.shifts(few, edits, "directions on harmless prompts")
        trials = [
            _Trial(c, fmean(s.answer for s in good), fmean(max(s.logp, _GONE) for s in bad))
            for c, bad, good in zip(found, freed, moved, strict=True)
        ]
        over = self.settings.max_kl
        return sorted(trials, key=lambda t: (t.kl > over, t.kl if t.kl > over else t.likely))

    def _tried(self, finalists: Sequence[_Trial]) -> list[_Trial]:
        """The same on all prompts for choosing, with the harmful ones asked where KL allows."""
        edits = [self._edit(t.candidate) for t in finalists]
        moved = self.effects.shifts(self.good, edits, "finalists on harmless prompts")
        trials = []
        for done, (trial, shifts) in enumerate(zip(finalists, moved, strict=True), 1):
            kl = fmean(s.answer for s in shifts)
            left = self._left(trial.candidate) if kl <= self.settings.max_kl else None
            trials.append(replace(trial, kl=kl, left=left))
            self.effects.progress("finalists on harmful prompts", done, len(finalists))
        return trials

    def _left(self, candidate: Candidate) -> int:
        """How many harmful prompts get no usable answer under the edit."""
        with self._edit(candidate)():
            (asked,) = self.effects.ask(self.bad.prompts)
        return sum(not answer.usable for answer in asked.said)
