"""The summary of a run that GitHub Actions shows for a job, in Markdown."""

from pathlib import Path

from lek.export.markdown import literal
from lek.export.rulings import rulings
from lek.report.notes import notes
from lek.report.terminal import judges_text, share_text
from lek.runs.run import Run


def step_summary(run: Run) -> str:
    """The rulings on the gates, who judged, and notes."""
    texts = [judges_text(run), share_text(run), *(note.text for note in notes(run))]
    items = [f"- {literal(text)}" for text in texts if text is not None]
    gates = rulings(run) or ["- no gates"]
    return "\n".join((f"## {literal(run.facts['profile']['name'])}", "", *gates, "", *items, ""))


def append_step_summary(run: Run, file: Path) -> None:
    """Append the summary of ``run`` to ``file``; raises `OSError`."""
    with file.open("a", encoding="utf-8") as summary:
        summary.write(f"{step_summary(run)}\n")
