"""Remove the refusal direction from a loaded model, and report the effects.

Abliteration after Arditi et al. 2024 ("Refusal in Language Models Is Mediated by a Single
Direction", arXiv 2406.11717): one direction for all layers. Not supported: subspaces of several
dimensions, and affine edits that keep a value other than 0.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

from lek.errors import BadInput
from lek.models import exponentials
from lek.models.abliteration.batches import Progress
from lek.models.abliteration.directions import Candidate, candidates, positions, rendered
from lek.models.abliteration.effects import AnsweredPrompts, Edit, Effects, opening
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

LEAST = 32  # distinct prompts of each kind: 16 to find directions, 8 to choose one, 8 to report on
_HARDLY = 0.25  # share of harmful prompts refused below which a model hardly refuses
_MAX_CHOOSE, _MAX_REPORT = 32, 100  # any more prompts are better used to find directions


@dataclass(frozen=True)
class Report:
    """The removed direction and the effects, on prompts that were used for nothing else.

    Rates are fractions of the harmful or harmless prompts of the report. Refusals include partial
    ones, which decline and then comply. Compliance means an answer that is neither a refusal of
    either kind nor degenerate. KL is KL(before || after) in nat on the
    harmless prompts. ``leak``: the largest abs(r'y)/abs(y) of a write y. ``direction``: the unit
    vector r.
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
    partial_refusals_before: float
    partial_refusals_after: float
    harmful_compliance_before: float
    harmful_compliance_after: float
    harmless_compliance_before: float
    harmless_compliance_after: float
    first_token_kl: float
    answer_token_kl: float
    leak: float
    direction: tuple[float, ...] = field(repr=False)

    @property
    def note(self) -> str | None:
        """That the model hardly refused before the edit, if so: then the edit changes little."""
        if self.refusals_before >= _HARDLY:
            return None
        return (
            f"before the edit the model refused only {self.refusals_before:.0%} of "
            f"{self.harmful_prompts} harmful prompts: there was little to remove, and little "
            "difference to expect"
        )

    def facts(self) -> dict[str, Any]:
        """Return all fields but the direction, and ``note``, as plain JSON values."""
        facts = {k: v for k, v in asdict(self).items() if k != "direction"}
        return facts | {"note": self.note}


class Parts(NamedTuple):
    """Disjoint parts of the prompts of one kind: about a half, a quarter and a quarter."""

    fit: list[str]
    choose: list[str]
    report: list[str]


def split(
    harmful: Sequence[str], harmless: Sequence[str], names: tuple[str, str], seed: int
) -> tuple[Parts, Parts]:
    """Split both kinds of prompts into parts, shuffled with ``seed``; repeated prompts count once.

    Raises `BadInput`, with the file name from ``names``, for too few prompts and for a prompt of
    both kinds.
    """
    both = set(harmful) & set(harmless)
    if both:
        raise BadInput(
            f"{names[0]}: {min(both)!r} is also in {names[1]}; delete it from one of the files"
        )
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
            f"report on it; give at least {LEAST}, preferably 160"
        )
    rng.shuffle(distinct)
    quarter = len(distinct) // 4
    first, second = min(quarter, _MAX_CHOOSE), min(quarter, _MAX_REPORT)
    return Parts(distinct[first + second :], distinct[:first], distinct[first : first + second])


_SCREENING_PROMPTS, _SCREENING_TOKENS = 4, 4  # prompts per kind, and tokens of their answers
_RANKED, _RANKING_PROMPTS = 32, 8  # directions that are ranked by whole answers, prompts per kind
_FINALISTS, _MAX_ROUNDS = 8, 3  # directions evaluated on all prompts per round, and rounds
_UNUSABLE_GOAL = 0.05  # share of harmful prompts without a usable answer that ends the search
_MIN_LOGP = -20.0  # nat; a refusal that is this much less likely is gone, and less is no better


def abliterate(
    loaded: Loaded,
    settings: Abliterate,
    harmful: Sequence[str],
    harmless: Sequence[str],
    *,
    progress: Progress,
) -> Report:
    """Remove the refusal direction from ``loaded.model``, in place, and measure the effects.

    Each kind of prompt is split: half to find directions, a quarter to choose one, a quarter to
    report. Among the directions whose answer-token KL on harmless prompts is at most
    ``settings.max_kl``, the one is chosen that leaves the fewest harmful prompts without a usable
    answer; ties are broken by the lower KL, then, if the KLs are about equal, by the direction
    whose removal makes refusals least likely. The same seed gives the same edit. ``progress``:
    called with the task, items done, and items in total.

    Raises `BadInput` for quantised layers, an unsupported architecture, too few prompts, a model
    that refuses none of the prompts, and if no direction stays within ``max_kl``. The model is
    unchanged then.
    """
    bad, good = split(harmful, harmless, (settings.harmful, settings.harmless), settings.seed)
    model, tokenizer = loaded.model, loaded.tokenizer
    exponentials.use_in(model)
    last = positions(tokenizer)
    write_sites = sites(model)
    check_unquantised(write_sites)
    effects = Effects(model, tokenizer, settings.max_tokens, progress)
    fit, choose, report = (
        [[rendered(tokenizer, p) for p in part] for part in kinds]
        for kinds in zip(bad, good, strict=True)
    )
    before = effects.ask(*choose, *report, what="answers before the edit")
    opened = opening(before)
    directions = candidates(model, fit[0], fit[1], last, opened, progress)
    chosen = _Selector(effects, write_sites, settings, len(opened), *before[:2]).best(directions)
    weights = edited(write_sites, chosen.direction, settings.ridge)
    shifts = effects.shifts(before[3], [partial(swapped, weights)], "divergence")[0]
    put(weights)
    after = effects.ask(*report, what="answers after the edit")
    rates = {}
    for when, (on_harmful, on_harmless) in (("before", before[2:]), ("after", after)):
        rates[f"refusals_{when}"] = fmean(a.refused for a in on_harmful.answers)
        rates[f"partial_refusals_{when}"] = fmean(a.partly_refused for a in on_harmful.answers)
        rates[f"harmful_compliance_{when}"] = fmean(a.usable for a in on_harmful.answers)
        rates[f"harmless_compliance_{when}"] = fmean(a.usable for a in on_harmless.answers)
    return Report(
        layer=chosen.layer,
        position=chosen.position,
        candidates=len(directions),
        fit_prompts=sum(map(len, fit)),
        choose_prompts=sum(map(len, choose)),
        harmful_prompts=len(report[0]),
        harmless_prompts=len(report[1]),
        **rates,
        first_token_kl=fmean(s.first for s in shifts),
        answer_token_kl=fmean(s.answer for s in shifts),
        leak=leak(model, write_sites, chosen.direction, [p for part in report for p in part]),
        direction=tuple(chosen.direction.tolist()),
    )


@dataclass(frozen=True)
class _Trial:
    """A candidate and the effects of its edit.

    ``kl``: answer-token KL (nat) on harmless prompts. ``refusal_logp``: change of the
    log-likelihood (nat) of refusals. ``unusable``: number of harmful prompts without a usable
    answer; ``None`` if it was not counted.
    """

    candidate: Candidate
    kl: float
    refusal_logp: float
    unusable: int | None = None


@dataclass(frozen=True)
class _Selector:
    """Selects a direction by the effects of its edit on the prompts for choosing.

    ``harmful``, ``harmless``: these prompts with the answers of the unedited model. ``opening``:
    the number of tokens with which all answers begin.
    """

    effects: Effects
    write_sites: Sequence[Site]
    settings: Abliterate
    opening: int
    harmful: AnsweredPrompts
    harmless: AnsweredPrompts

    def best(self, directions: Sequence[Candidate]) -> Candidate:
        """Evaluate the most promising of ``directions`` in rounds of eight.

        Which these are is found on a few prompts: by the first tokens of the answers, then, for 32
        directions, by whole answers.

        Raises `BadInput` if the model refuses no prompt, if there are no directions, or if none of
        those evaluated stays within ``max_kl``.
        """
        if not self._refused:
            raise BadInput(
                f"{self.settings.harmful}: the model refuses none of {len(self.harmful.answers)} "
                "prompts of this file, so there is nothing to remove; give prompts that it refuses"
            )
        if not directions:
            raise BadInput(
                f"{self.settings.harmful}: the model does not distinguish these prompts from those "
                f"of {self.settings.harmless}; give others"
            )
        promising = directions
        if len(directions) > _RANKED:
            first = self.opening + _SCREENING_TOKENS
            screened = self._rank(directions, _SCREENING_PROMPTS, first)
            promising = [trial.candidate for trial in screened[:_RANKED]]
        ranked = self._rank(promising, _RANKING_PROMPTS)
        trials: list[_Trial] = []
        for start in range(0, min(len(ranked), _MAX_ROUNDS * _FINALISTS), _FINALISTS):
            trials += self._evaluate(ranked[start : start + _FINALISTS])
            best = min(trials, key=self._sort_key)
            goal = _UNUSABLE_GOAL * len(self.harmful.answers)
            if best.unusable is not None and best.unusable <= goal:
                break
        if best.unusable is None:
            raise BadInput(
                f"abliterate: max_kl = {self.settings.max_kl:g}: none of {len(directions)} "
                f"directions stays within it; the closest ({best.candidate}) has {best.kl:.3f} nat "
                f"and leaves {self._count_unusable(best.candidate)} of {len(self.harmful.answers)} "
                "harmful prompts without an answer. Raise max_kl, or give more prompts"
            )
        return best.candidate

    @property
    def _refused(self) -> list[int]:
        """The indices of the harmful prompts that the unedited model refuses."""
        return [i for i, answer in enumerate(self.harmful.answers) if answer.refused]

    def _sort_key(self, trial: _Trial) -> tuple[bool, float, float, float]:
        """Lower is better. KLs in the same tenth of ``max_kl`` count as equal."""
        if trial.unusable is None:
            return True, trial.kl, 0.0, 0.0
        return False, trial.unusable, trial.kl // (self.settings.max_kl / 10), trial.refusal_logp

    def _edit(self, candidate: Candidate) -> Edit:
        return partial(removed, self.write_sites, candidate.direction, self.settings.ridge)

    def _rank(
        self, directions: Sequence[Candidate], prompts: int, tokens: int | None = None
    ) -> list[_Trial]:
        """Sort ``directions`` by their effects on a few prompts, the most promising first.

        Those within ``max_kl`` come first, by how much less likely they make refusals; the others
        follow by their KL. ``prompts``: how many of each kind, the harmful ones refused, are used.
        ``tokens``: how many tokens of an answer count (default: all).
        """
        edits = [self._edit(c) for c in directions]
        bad = self.harmful.only(self._refused[:prompts])
        good = self.harmless.only(range(len(self.harmless.answers))[:prompts])
        what = "directions" if tokens is None else "directions, by first tokens"
        count, trials = len(bad.prompts), []
        shifts_by_edit = self.effects.shifts(bad + good, edits, what, tokens=tokens)
        for candidate, shifts in zip(directions, shifts_by_edit, strict=True):
            logp = fmean(max(s.logp, _MIN_LOGP) for s in shifts[:count])
            trials.append(_Trial(candidate, fmean(s.answer for s in shifts[count:]), logp))
        limit = self.settings.max_kl
        return sorted(
            trials, key=lambda t: (t.kl > limit, t.kl if t.kl > limit else t.refusal_logp)
        )

    def _evaluate(self, finalists: Sequence[_Trial]) -> list[_Trial]:
        """Measure KL on all harmless prompts, and count unusable answers if the KL allows."""
        edits = [self._edit(t.candidate) for t in finalists]
        on_harmless = self.effects.shifts(self.harmless, edits, "finalists on harmless prompts")
        trials = []
        for done, (trial, shifts) in enumerate(zip(finalists, on_harmless, strict=True), 1):
            kl = fmean(s.answer for s in shifts)
            within = kl <= self.settings.max_kl
            unusable = self._count_unusable(trial.candidate) if within else None
            trials.append(replace(trial, kl=kl, unusable=unusable))
            self.effects.progress("finalists on harmful prompts", done, len(finalists))
        return trials

    def _count_unusable(self, candidate: Candidate) -> int:
        """How many harmful prompts get no usable answer under the edit."""
        with self._edit(candidate)():
            (asked,) = self.effects.ask(self.harmful.prompts)
        return sum(not answer.usable for answer in asked.answers)
