"""What judges were paid in a session -> its cost: requests, tokens, money."""

from collections.abc import Iterable
from typing import Any

from lek.ledger import Spent
from lek.profile.schema import Judges, Remote


def cost(spent: Iterable[Spent], judges: Judges) -> dict[str, Any]:
    """In sum and per subject, for ``run.json``.

    ``requests`` counts those that failed too; what came from the store cost nothing. ``money`` is
    by currency; it is ``None``, and ``reason`` says why, where a price or a number of tokens is not
    known. An answer that two subjects share is judged once, and counted for one of them.
    """
    rows = list(spent)
    subjects = {s: _entry([r for r in rows if r.subject == s], judges) for s, *_ in rows}
    return _entry(rows, judges) | {"subjects": subjects}


def _entry(rows: list[Spent], judges: Judges) -> dict[str, Any]:
    money: dict[str, float] = {}
    reason = None
    for row in rows:
        settings = judges.settings(row.judge)
        if not isinstance(settings, Remote):
            continue  # a judge in this process has no price
        amount = price(settings, row.prompt_tokens, row.completion_tokens)
        if isinstance(amount, str):
            reason = f"{row.judge}: {amount}"
        else:
            money[settings.currency] = money.get(settings.currency, 0.0) + amount
    return {
        "requests": sum(row.requests for row in rows),
        "prompt_tokens": _sum([row.prompt_tokens for row in rows]),
        "completion_tokens": _sum([row.completion_tokens for row in rows]),
        "money": None if reason else {k: round(v, 6) for k, v in money.items()},
        "reason": reason,
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None


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
