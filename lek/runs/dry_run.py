"""A plan whose cases are selected -> what of it is missing, and what that would cost at most.

Nothing is built, loaded, fetched or asked. A question's tokens are estimated at four characters
each, an answer that is still to come at the most that decoding allows, a reply at its limit.
"""

from collections import Counter
from dataclasses import dataclass, field
from textwrap import wrap

from lek.errors import BadInput
from lek.judges.llm.usage import price
from lek.profile.schema import APIJudgeSettings
from lek.records import Case, Response
from lek.runs.plan import Plan

_CHARACTERS = 4  # a token, in English


@dataclass
class _Share:
    """One subject's part, or the sum of all."""

    selected: int = 0
    answers: int = 0
    judgements: Counter[str] = field(default_factory=Counter)  # by kind of judge
    asked: Counter[str] = field(default_factory=Counter)  # tokens, by kind of judge


def dry_run(plan: Plan) -> list[str]:
    """The lines of ``--lek-dry-run``, at most 80 columns where names are short."""
    shares = {s: _Share() for s in plan.loaded.profile.subject_names}
    faults, seen = [], set[str]()
    for (benchmark, subject), cases in plan.asked.items():
        try:
            _count(plan, shares[subject], benchmark, subject, cases, seen)
        except BadInput as e:
            faults.append(f"{subject}: {e}")
    shares = {s: share for s, share in shares.items() if share.selected}
    lines = ["dry run: nothing is generated, nothing is judged", ""]
    lines.append(f"{'':16}{'cases':>8}{'answers missing':>18}{'judgements missing':>21}")
    total = _Share()
    for name, share in shares.items():
        lines.append(_row(name, share))
        total.selected += share.selected
        total.answers += share.answers
        total.judgements += share.judgements
        total.asked += share.asked
    try:
        plan.judges.check({b for b, _ in plan.asked})
    except BadInput as e:
        faults.append(str(e))
    lines += [_row("in sum", total), *(_money(plan, total))]
    lines += [line for fault in faults for line in wrap(fault, 80, subsequent_indent="  ")]
    return lines


def _row(name: str, share: _Share) -> str:
    judgements = share.judgements.total()
    return f"{name:<16}{share.selected:>8}{share.answers:>18}{judgements:>21}"


def _count(
    plan: Plan, share: _Share, benchmark: str, subject: str, cases: list[Case], seen: set[str]
) -> None:
    stored = plan.answers[benchmark, subject].stored(cases)
    share.selected += len(cases)
    share.answers += len(cases) - len(stored)
    judge = plan.benchmark_judges[benchmark]
    if not judge.deferred:
        return  # judged in passing, at no cost
    to_come = plan.loaded.profile.decoding.max_tokens
    for case in cases:
        response = stored.get(case.id)
        if response is not None and response.text is None:
            continue  # nothing to judge
        unknown = Response(subject=subject, case=case.id, text=" ")
        for kind, keys, characters in judge.missing(case, response or unknown):
            lacking = len(set(keys) - seen) if response else len(keys)
            seen.update(keys if response else ())  # equal answers are judged once
            tokens = -(-characters // _CHARACTERS) + (0 if response else to_come)
            share.judgements[kind] += lacking
            share.asked[kind] += lacking * tokens


def _money(plan: Plan, total: _Share) -> list[str]:
    lines = []
    for kind, judgements in total.judgements.items():
        settings = plan.loaded.profile.judges.settings(kind)
        if not judgements or settings is None:
            continue
        said = judgements * settings.max_tokens
        text = f"{kind} judge, {settings.model}: {judgements:,} requests, about "
        text += f"{round(total.asked[kind], -3):,} tokens asked, at most {said:,} replied"
        if isinstance(settings, APIJudgeSettings):
            amount = price(settings, total.asked[kind], said)
            known = not isinstance(amount, str)
            text += f": at most {amount:.2f} {settings.currency}" if known else f"; cost: {amount}"
        lines += wrap(text, 80, subsequent_indent="  ")
    return ["", *lines] if lines else ["", "no judge that costs anything is asked"]
