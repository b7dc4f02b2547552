"""The cases of a run as data for the report's script: an index, and blocks of texts.

The index has what the table of cases shows and filters by: names, scores and states. A block has
the texts of successive cases; the script unpacks those that it needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

import msgspec

from lek.records import Verdict
from lek.report.differences import baseline_of
from lek.runs.run import Run
from lek.stats.gates import names_in

_BLOCK = 1_000_000  # bytes of JSON, before compression
_EXCERPT = 160  # characters of a prompt that the table shows

Group = tuple[str, str, dict[str, Verdict]]  # benchmark, case id, verdicts by subject


class Cases:
    """The verdicts of a run by case, in the order of its benchmarks and of the case ids.

    ``subjects``: their names, in the order of the run. ``baseline``: that of the profile, if it is
    among them.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.subjects = list(dict.fromkeys(v.response.subject for v in run.verdicts))
        baseline = baseline_of(run)
        self.baseline = baseline if baseline in self.subjects else None
        self._verdicts: dict[str, dict[str, dict[str, Verdict]]] = {}
        for verdict in run.verdicts:
            by_case = self._verdicts.setdefault(verdict.case.benchmark, {})
            by_case.setdefault(verdict.case.id, {})[verdict.response.subject] = verdict

    def _groups(self) -> Iterator[Group]:
        for benchmark in self._run.benchmarks:
            verdicts = self._verdicts.get(benchmark, {})
            for case in sorted(verdicts):
                yield benchmark, case, verdicts[case]

    def index(self, starts: list[int]) -> bytes:
        """The index as JSON. ``starts``: the number of the first case of each block.

        ``focus``: the subject that is selected at first: that of the first gate.
        ``benchmarks``: in order, each with the ids and excerpts of its cases, and per measure and
        subject the scores (``null``: none). ``states``: per subject one letter for each case:
        ``s`` scored, ``u`` some measure unscored, ``n`` no response, ``-`` not evaluated.
        """
        document = {
            "subjects": self.subjects,
            "baseline": self.baseline,
            "focus": self._focus(),
            "starts": starts,
            "benchmarks": [
                self._benchmark(name, list(groups))
                for name, groups in groupby(self._groups(), key=lambda group: group[0])
            ],
        }
        return msgspec.json.encode(document)

    def _focus(self) -> str | None:
        claimed = (names_in(gate.rule)[:1] for gate in self._run.gates)
        others = (subject for subject in self.subjects if subject != self.baseline)
        names = chain(*claimed, others, self.subjects)
        return next((name for name in names if name in self.subjects), None)

    def _benchmark(self, name: str, groups: list[Group]) -> dict[str, Any]:
        benchmark = self._run.benchmarks[name]
        measures = dict.fromkeys(m.measure for m in self._run.metrics if m.benchmark == name)
        rows = [verdicts for _, _, verdicts in groups]
        return {
            "name": name,
            "ids": [case for _, case, _ in groups],
            "excerpts": [_excerpt(verdicts) for verdicts in rows],
            "states": ["".join(_state(row.get(s)) for row in rows) for s in self.subjects],
            "measures": [
                {
                    "name": measure,
                    "low": benchmark[measure].scale.low,
                    "high": benchmark[measure].scale.high,
                    "fraction": benchmark[measure].scale.fraction,
                    "source": benchmark[measure].source,
                    "scores": [_scores(rows, s, measure) for s in self.subjects],
                }
                for measure in measures
            ],
        }

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Each block as JSON, a list of cases, with the number of its first case."""
        start, size = 0, 0
        rows: list[bytes] = []
        for number, (_, _, verdicts) in enumerate(self._groups()):
            row = msgspec.json.encode(self._case(verdicts))
            if rows and size + len(row) > _BLOCK:
                yield start, b"[" + b",".join(rows) + b"]"
                start, size, rows = number, 0, []
            rows.append(row)
            size += len(row)
        if rows:
            yield start, b"[" + b",".join(rows) + b"]"

    def _case(self, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
        case = next(iter(verdicts.values())).case
        return {
            "prompt": case.prompt,
            "reference": case.reference,
            "answers": [
                self._answer(verdicts[s]) if s in verdicts else None for s in self.subjects
            ],
        }

    def _answer(self, verdict: Verdict) -> dict[str, Any]:
        prompts = self._run.prompts.get(verdict.response.subject, {}).get(verdict.case.benchmark)
        rendered = None if prompts is None else prompts.text(verdict.case)
        return _answer(verdict) | ({} if rendered is None else {"rendered": rendered})


def _answer(verdict: Verdict) -> dict[str, Any]:
    """What a case shows of a verdict, without what is empty."""
    response = verdict.response
    answer = {
        "text": response.text,
        "missing": response.reason,
        "likelihoods": response.likelihoods,
        "thought": response.thought,
        "thought_tokens": response.thought_tokens,
        "finish": response.finish,
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
        "seconds": response.seconds,
        "reason": verdict.reason,
        "unscored": {measure: u.text for measure, u in verdict.unscored.items()} or None,
        "judges": verdict.judges,
        "votes": [{"scores": v.scores, "reasons": v.reasons} for v in verdict.votes] or None,
    }
    return {key: value for key, value in answer.items() if value is not None}


def _state(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    if verdict.response.reason is not None:
        return "n"
    return "u" if verdict.unscored else "s"


def _scores(
    rows: Sequence[Mapping[str, Verdict]], subject: str, measure: str
) -> list[float | None]:
    return [row[subject].scores.get(measure) if subject in row else None for row in rows]


def _excerpt(verdicts: Mapping[str, Verdict]) -> str:
    prompt = next(iter(verdicts.values())).case.prompt
    return " ".join(prompt[: 2 * _EXCERPT].split())[:_EXCERPT]
