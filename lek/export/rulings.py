"""The rulings of a run as a list in Markdown."""

import re
from collections import Counter

from lek.export.markdown import literal
from lek.records import Ruling
from lek.runs.run import Run


def rulings(run: Run, subject: str | None = None) -> list[str]:
    """One item per selected gate, and one for the others per reason.

    With ``subject``, only the selected gates that name it.
    """
    gates = [gate for gate in run.gates if subject is None or subject in _subjects(gate)]
    items = [_item(gate) for gate in gates if gate.ruling != "not selected"]
    if subject is None:
        not_selected = Counter(gate.why for gate in gates if gate.ruling == "not selected")
        for why, n in not_selected.items():
            items.append(f"- {n} gate{'s' * (n > 1)} not selected ({literal(why)})")
    return items


def _item(gate: Ruling) -> str:
    ruling = gate.ruling.upper()
    return f"- **{ruling}**{literal(gate.sentence)[len(ruling) :]}"


def _subjects(gate: Ruling) -> list[str]:
    """The names after the colon of a rule, and its numbers."""
    return re.split(r"[\s<>=]+", gate.rule.partition(":")[2])
