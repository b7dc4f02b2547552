"""The recorded judge, which looks up the verdicts that were published with the data.

A verdict that is missing, occurs twice, lacks a measure or is outside its scale is unscored; the
reason names the file and the line.
"""

from collections.abc import Sequence
from typing import Any

from lek.benchmarks.benchmark import Measure
from lek.data.lem import Scores
from lek.data.tables import Repeated, is_text
from lek.records import Case, Response, Verdict, make_verdict, unscored_verdict

NAME = "recorded"


class RecordedJudge:
    """Looks up the recorded scores of one benchmark.

    ``models`` maps names of subjects to names of models in the recorded data.
    """

    def __init__(self, scores: Scores, benchmark: str, models: dict[str, str]) -> None:
        self._scores = scores
        self._benchmark = benchmark
        self._models = models
        self._tables = {s: scores.of(benchmark, m) or {} for s, m in models.items()}

    def notes(self, known: set[str]) -> list[str]:
        """One line for each model with scores for cases that are not in ``known``, the case ids."""
        lines = []
        for subject, table in self._tables.items():
            unknown = [case for case in table if case not in known]
            if unknown:
                more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
                place = self._where(subject, unknown[0])
                lines.append(f"{place}: no such case: {unknown[0]}{more}; left out")
        return lines

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The recorded scores of ``response`` on ``measures``."""
        entry = self._tables[response.subject].get(case.id)
        if entry is None:
            model = self._models[response.subject]
            why = f"{self._scores.path}: no verdict for {self._benchmark}.{model}.{case.id}"
            return unscored_verdict(case, response, measures, "bad_record", why, judge=NAME)
        if not isinstance(entry, dict):
            kind = "two verdicts" if isinstance(entry, Repeated) else f"verdict is {entry!r}"
            why = f"{self._where(response.subject, case.id)}: {kind} for {case.id}"
            return unscored_verdict(case, response, measures, "bad_record", why, judge=NAME)
        return make_verdict(
            case,
            response,
            measures,
            _scores(entry, measures),
            judge=NAME,
            reason=_reason(entry),
            code="bad_record",
            where=lambda: self._where(response.subject, case.id),
        )

    def _where(self, subject: str, case: str) -> str:
        line = self._scores.line(self._benchmark, self._models[subject], case)
        return f"{self._scores.path}: line {line}"


def _scores(entry: dict[str, Any], measures: Sequence[Measure]) -> dict[str, object]:
    """The recorded value of each measure, under its own name or that of the published files."""
    scores = {m.name: entry[m.recorded_as] for m in measures if m.recorded_as in entry}
    return scores | {m.name: entry[m.name] for m in measures if m.name in entry}


def _reason(entry: dict[str, Any]) -> str | None:
    reasoning = entry.get("reasoning")
    if isinstance(reasoning, str) and is_text(reasoning):
        return reasoning
    if "extracted" in entry:
        return f"read {entry['extracted']!r}, expected {entry.get('expected')!r}"
    return None
