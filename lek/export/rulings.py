"""The rulings of a run as a list in Markdown."""

from lek.export.markdown import literal
from lek.records import Ruling
from lek.runs.run import Run
from lek.stats.gates import names_in


def rulings(run: Run, subject: str | None = None) -> list[str]:
    """One item per selected gate, and one for the others per reason.

    With ``subject``, only the selected gates that name it.
    """
    items = [
        _item(gate)
        for gate in run.selected_gates
        if subject is None or subject in names_in(gate.rule)
    ]
    if subject is None:
        for why, n in run.not_selected.items():
            items.append(f"- {n} gate{'s' * (n > 1)} not selected ({literal(why)})")
    return items


def _item(gate: Ruling) -> str:
    ruling = gate.ruling.upper()
    return f"- **{ruling}**{literal(gate.sentence)[len(ruling) :]}"
