"""The verdicts of a run -> what their judges cost in it: requests, tokens, money."""

from collections.abc import Iterable
from typing import Any

from lek.docket import total
from lek.profile import Judges
from lek.records import Usage, Verdict
from lek.settings import Remote


def cost(verdicts: Iterable[Verdict], judges: Judges) -> dict[str, Any] | None:
    """In sum and per subject, for ``run.json``; ``None`` where no judge was a model.

    ``requests`` counts those that failed too; what came from the store cost nothing. ``money`` is
    by currency; it is ``None``, and ``reason`` says why, where a price or a number of tokens is not
    known. An answer that two subjects share is judged once, and counted for the first.
    """
    by_subject: dict[str, dict[str, list[Usage]]] = {}
    for v in verdicts:
        if v.usage is not None:
            by_subject.setdefault(v.response.subject, {}).setdefault(v.judge, []).append(v.usage)
    if not by_subject:
        return None
    whole: dict[str, list[Usage]] = {}
    for kinds in by_subject.values():
        for kind, usages in kinds.items():
            whole.setdefault(kind, []).extend(usages)
    subjects = {subject: _entry(kinds, judges) for subject, kinds in by_subject.items()}
    return _entry(whole, judges) | {"subjects": subjects}


def _entry(kinds: dict[str, list[Usage]], judges: Judges) -> dict[str, Any]:
    used = total([usage for usages in kinds.values() for usage in usages])
    money: dict[str, float] = {}
    reason = None
    for kind, usages in kinds.items():
        spent, settings = total(usages), judges.settings(kind)
        if not isinstance(settings, Remote):
            continue  # a judge in this process has no price
        amount = price(settings, spent.prompt_tokens, spent.completion_tokens)
        if isinstance(amount, str):
            reason = f"{kind}: {amount}"
        else:
            money[settings.currency] = money.get(settings.currency, 0.0) + amount
    return {
        "requests": used.requests,
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "money": None if reason else {k: round(v, 6) for k, v in money.items()},
        "reason": reason,
    }


def price(settings: Remote, prompt: int | None, completion: int | None) -> float | str:
    """What so many tokens cost, in the judge's currency, or why that is not known."""
    if settings.input_price is None or settings.output_price is None:
        return "the profile gives no prices (input_price, output_price)"
    if prompt is None or completion is None:
        return "the API did not say how many tokens it used"
    return (prompt * settings.input_price + completion * settings.output_price) / 1e6


def spent(cost: dict[str, Any] | None) -> list[str]:
    """`cost` for people: a line in sum, and one per subject; nothing where there is none."""
    if cost is None:
        return []
    lines = [f"judging cost {_text(cost)}"]
    if cost["requests"]:
        lines += [f"  {name}: {_text(one)}" for name, one in cost["subjects"].items()]
    return lines + ([f"  no sum of money: {cost['reason']}"] if cost["reason"] else [])


def _text(cost: dict[str, Any]) -> str:
    text = f"{cost['requests']:,} request{'s' * (cost['requests'] != 1)}"
    if cost["prompt_tokens"] is not None and cost["completion_tokens"] is not None:
        text += f", {cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens"
    money = [f"{amount:.4f} {currency}" for currency, amount in (cost["money"] or {}).items()]
    return ", ".join([text, *money])
