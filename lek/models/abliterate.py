"""A loaded model and two lists of prompts -> the model without its refusal direction, and a report.

Abliteration after Arditi et al. 2024 ("Refusal in Language Models Is Mediated by a Single
Direction", arXiv 2406.11717): one direction for all layers. What is not covered: directions of
several dimensions, and an affine edit that keeps a value other than 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from lek.abliteration.effects import Asked, Edit, Effects
from lek.abliteration.projection import Site, leak, removed, sites
from lek.abliteration.report import Report
from lek.abliteration.residuals import Candidate, candidates, positions, rendered
from lek.abliteration.splits import split
from lek.abliteration.surgery import check_plain, edited, put, swapped
from lek.models.weights import Loaded
from lek.passes import Progress
from lek.profile import Abliterate
from lek.records import BadInput

_SKIM, _FINALISTS = 16, 8
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
    equals the one with the lower KL. The same seed gives the same edit.

    Raises `BadInput`, with the model as it was: for quantised layers, an architecture that it
    cannot edit, too few prompts, a model that refuses none, and where none keeps to ``max_kl``.
    """
    bad, good = split(harmful, harmless, (settings.harmful, settings.harmless), settings.seed)
    model, tokenizer = loaded.model, loaded.tokenizer
    last = positions(tokenizer)
    writes = sites(model)
    check_plain(writes)
    effects = Effects(model, tokenizer, settings.max_tokens, progress)
    fit, choose, report = (
        [[rendered(tokenizer, p) for p in part] for part in kinds]
        for kinds in zip(bad, good, strict=True)
    )
    before = effects.ask(*choose, *report, what="answers before")
    found = candidates(model, fit[0], fit[1], last, progress)
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
    """A candidate, its edit, and its answer-token KL (nat) on harmless prompts for choosing."""

    candidate: Candidate
    edit: Edit
    kl: float


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
        closest: list[_Trial] = []
        for start in range(0, len(ranked), _FINALISTS):
            trials = self._tried(ranked[start : start + _FINALISTS])
            allowed = [t for t in trials if t.kl <= self.settings.max_kl]
            if allowed:
                return self._fewest_left(allowed)
            closest = [min(closest + trials, key=lambda t: t.kl)]
        (trial,) = closest
        raise BadInput(
            f"abliterate: max_kl = {self.settings.max_kl:g}: none of {len(found)} directions keeps "
            f"to it; the closest ({trial.candidate}) has {trial.kl:.3f} nat and leaves "
            f"{self._left(trial)} of {len(self.bad.said)} harmful prompts without an answer. Allow "
            "more, or give more prompts"
        )

    def _edit(self, candidate: Candidate) -> Edit:
        return partial(removed, self.writes, candidate.direction, self.settings.ridge)

    def _skim(self, found: Sequence[Candidate], refused: Asked) -> list[Candidate]:
        """``found`` by what seems best: those within ``max_kl``, then refusals made less likely."""
        edits = [self._edit(c) for c in found]
        few = self.good.only(range(min(_SKIM, len(self.good.said))))
        freed = self.effects.shifts(refused, edits, "directions on harmful prompts")
        moved = self.effects.shifts(few, edits, "directions on harmless prompts")
        keys = []
        for bad, good in zip(freed, moved, strict=True):
            kl = fmean(s.answer for s in good)
            likely = fmean(max(s.logp, _GONE) for s in bad)
            over = kl > self.settings.max_kl
            keys.append((over, kl if over else likely, kl))
        return [found[i] for i in sorted(range(len(found)), key=keys.__getitem__)]

    def _tried(self, finalists: Sequence[Candidate]) -> list[_Trial]:
        edits = [self._edit(c) for c in finalists]
        moved = self.effects.shifts(self.good, edits, "finalists on harmless prompts")
        return [
            _Trial(c, edit, fmean(s.answer for s in shifts))
            for c, edit, shifts in zip(finalists, edits, moved, strict=True)
        ]

    def _left(self, trial: _Trial) -> int:
        """How many harmful prompts get no usable answer under the edit."""
        with trial.edit():
            (asked,) = self.effects.ask(self.bad.prompts, what=f"answers, {trial.candidate}")
        return sum(not answer.usable for answer in asked.said)

    def _fewest_left(self, allowed: Sequence[_Trial]) -> Candidate:
        left = [self._left(trial) for trial in allowed]
        best = min(range(len(allowed)), key=lambda i: (left[i], allowed[i].kl))
        return allowed[best].candidate
