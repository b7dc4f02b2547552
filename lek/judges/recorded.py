"""Verdicts recorded with the data -> our verdicts: what was published is looked up, not judged.

A verdict that is missing, given twice, lacks a measure or is off its scale is unscored; the reason
names the file and the line.
"""

from collections.abc import Sequence
from typing import Any

from lek.benchmarks.benchmark import Measure
from lek.data.jsonl import Repeated, is_text
from lek.data.lem import Scores
from lek.records import Case, Response, Verdict, make_verdict, unscored_verdict

NAME = "recorded"


class RecordedJudge:
    """The recorded scores of one benchmark: ``models`` maps our subject names to recorded ones."""

    def __init__(self, scores: Scores, benchmark: str, models: dict[str, str]) -> None:
        self._scores = scores
        self._benchmark = benchmark
        self._models = models
        self._tables = {s: scores.of(benchmark, m) or {} for s, m in models.items()}

    def notes(self, known: set[str]) -> list[str]:
        """One line per model whose scores name cases that do not exist."""
        lines = []
        for subject, table in self._tables.items():
            strangers = [i for i in table if i not in known]
            if strangers:
                more = f" (and {len(strangers) - 1} more)" if len(strangers) > 1 else ""
                place = self._where(subject, strangers[0])
                lines.append(f"{place}: no such case: {strangers[0]}{more}; left out")
        return lines

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The recorded scores of ``response`` on ``measures``."""
        found = self._tables[response.subject].get(case.id)
        if found is None:
            model = self._models[response.subject]
            why = f"{self._scores.path}: no verdict for {self._benchmark}.{model}.{case.id}"
            return unscored_verdict(case, response, measures, "bad_record", why, judge=NAME)
        if not isinstance(found, dict):
            kind = "two verdicts" if isinstance(found, Repeated) else f"verdict is {found!r}"
            why = f"{self._where(response.subject, case.id)}: {kind} for {case.id}"
            return unscored_verdict(case, response, measures, "bad_record", why, judge=NAME)
        return make_verdict(
            case,
            response,
            measures,
            _scores(found, measures),
            judge=NAME,
            reason=_reason(found),
            code="bad_record",
            where=lambda: self._where(response.subject, case.id),
        )

    def _where(self, subject: str, case: str) -> str:
        line = self._scores.line(self._benchmark, self._models[subject], case)
        return f"{self._scores.path}: line {line}"


def _scores(found: dict[str, Any], measures: Sequence[Measure]) -> dict[str, object]:
    """What is recorded for each measure, under its own name or the one of the published files."""
    scores = {m.name: found[m.recorded_as] for m in measures if m.recorded_as in found}
    return scores | {m.name: found[m.name] for m in measures if m.name in found}


def _reason(found: dict[str, Any]) -> str | None:
    reasoning = found.get("reasoning")
    if isinstance(reasoning, str) and is_text(reasoning):
        return reasoning
    if "extracted" in found:
        return f"read {found['extracted']!r}, expected {found.get('expected')!r}"
    return None
