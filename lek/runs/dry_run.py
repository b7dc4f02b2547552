"""Dry run: the answers and judgements that a plan still needs, and their maximum cost.

No model is built or loaded and no request is sent. The estimate assumes four characters per token,
and the maximum length for missing answers and for the judge's replies. It leaves out the small
first request to each judge and to each served subject.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import wrap

from lek.errors import BadInput
from lek.profile.schema import APISettings, Section
from lek.providers.usage import price
from lek.records import Case, Response
from lek.runs.plan import Plan

_CHARACTERS_PER_TOKEN = 4  # typical of English


@dataclass
class _Counts:
    """Counts for one subject, or in total. ``answers`` and ``judgements`` are the missing ones."""

    selected: int = 0
    answers: int = 0
    judgements: Counter[str] = field(default_factory=Counter)  # by kind of judge
    prompt_tokens: Counter[str] = field(default_factory=Counter)  # by kind of judge
    asked_tokens: int = 0  # of prompts for missing answers of a served subject


def dry_run(plan: Plan) -> list[str]:
    """The lines of ``--lek-dry-run``, at most 80 columns wide if names are short."""
    counts = {s: _Counts() for s in plan.loaded.profile.subject_names}
    errors, seen = [], set[str]()
    for (benchmark, subject), cases in plan.selected.items():
        try:
            _count(plan, counts[subject], benchmark, subject, cases, seen)
        except BadInput as e:
            errors.append(f"{subject}: {e}")
    counts = {s: c for s, c in counts.items() if c.selected}
    lines = ["dry run: nothing is generated or judged", ""]
    lines.append(f"{'':16}{'cases':>8}{'answers missing':>18}{'judgements missing':>21}")
    total = _Counts()
    for name, subject_counts in counts.items():
        lines.append(_row(name, subject_counts))
        total.selected += subject_counts.selected
        total.answers += subject_counts.answers
        total.judgements += subject_counts.judgements
        total.prompt_tokens += subject_counts.prompt_tokens
    try:
        plan.judges.check({b for b, _ in plan.selected})
        plan.responses.check_access(name for name, missing in counts.items() if missing.answers)
    except BadInput as e:
        errors.append(str(e))
    requests = [*_answering(plan, counts), *_requests(plan, total)]
    lines += [_row("total", total), "", *(requests or ["no requests are needed"])]
    lines += [line for error in errors for line in wrap(error, 80, subsequent_indent="  ")]
    return lines


def _row(name: str, counts: _Counts) -> str:
    judgements = counts.judgements.total()
    return f"{name:<16}{counts.selected:>8}{counts.answers:>18}{judgements:>21}"


def _count(
    plan: Plan, counts: _Counts, benchmark: str, subject: str, cases: list[Case], seen: set[str]
) -> None:
    """Add ``cases`` to ``counts``, and the keys of their judge requests to ``seen``."""
    stored = plan.answers[benchmark, subject].stored(cases)
    counts.selected += len(cases)
    counts.answers += len(cases) - len(stored)
    if subject in plan.loaded.profile.served:
        missing_cases = [case for case in cases if case.id not in stored]
        counts.asked_tokens += sum(map(_tokens, plan.responses.lengths(subject, missing_cases)))
    judge = plan.benchmark_judges[benchmark]
    if not judge.deferred:
        return  # judged at once and at no cost
    max_tokens = plan.loaded.profile.decoding.max_tokens
    for case in cases:
        response = stored.get(case.id)
        if response is not None and response.reason is not None:
            continue  # nothing to judge
        unknown = Response(subject=subject, case=case.id, text=" ")
        for kind, keys, characters in judge.missing(case, response or unknown):
            missing = len(set(keys) - seen) if response else len(keys)
            seen.update(keys if response else ())  # equal answers share a request
            tokens = _tokens(characters) + (0 if response else max_tokens)
            counts.judgements[kind] += missing
            counts.prompt_tokens[kind] += missing * tokens


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _answering(plan: Plan, counts: Mapping[str, _Counts]) -> list[str]:
    """The number, tokens and price of the requests to each served subject."""
    lines, served = [], plan.loaded.profile.served
    for name, missing in counts.items():
        if name in served and missing.answers:
            text = f"{name}, {served[name].model}"
            reply_tokens = missing.answers * plan.loaded.profile.decoding.max_tokens
            lines += _line(text, served[name], missing.answers, missing.asked_tokens, reply_tokens)
    return lines


def _requests(plan: Plan, total: _Counts) -> list[str]:
    """The number, tokens and price of the requests to each LLM judge."""
    lines = []
    for kind, judgements in total.judgements.items():
        settings = plan.loaded.profile.judges.settings(kind)
        if not judgements or settings is None:
            continue
        reply_tokens = judgements * settings.max_tokens
        text = f"{kind} judge, {settings.model}"
        lines += _line(text, settings, judgements, total.prompt_tokens[kind], reply_tokens)
    return lines


def _line(
    name: str, settings: Section, requests: int, prompt_tokens: int, reply_tokens: int
) -> list[str]:
    """One entry on the requests to ``name``, with their cost where that has a price."""
    text = f"{name}: {requests:,} requests, about {round(prompt_tokens, -3):,} prompt tokens, "
    text += f"at most {reply_tokens:,} reply tokens"
    if isinstance(settings, APISettings):
        amount = price(settings, prompt_tokens, reply_tokens)
        known = not isinstance(amount, str)
        text += f": at most {amount:.2f} {settings.currency}" if known else f"; cost: {amount}"
    return wrap(text, 80, subsequent_indent="  ")
