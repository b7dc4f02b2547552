"""What an abliteration removed, and what that did -> plain JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any


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
