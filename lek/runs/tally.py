"""Tally: collects the test reports of a session, with or without workers, into a Run.

A selected case without a verdict (its test failed, crashed or never reported) is counted as lost.
A planned case without a verdict makes every gate that needs it unmeasured.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from lek.benchmarks.benchmark import Measure
from lek.profile.schema import JUDGE_KINDS
from lek.records import Metric, Unscored, Verdict
from lek.runs.plan import Plan
from lek.runs.run import Run, machine, utc, versions
from lek.stats.gates import Selection, Side, pending_ruling, rule_gates
from lek.stats.metrics import metric, spreads

Key = tuple[str, str, str]  # benchmark, subject, case id


class Tally:
    """Collects selected tests, reports and verdicts, in any order."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._names = frozenset(plan.loaded.profile.subject_names)
        self._selected: set[str] = set()
        self._reported: set[str] = set()
        self._cases: set[str] = set()
        self._verdicts: dict[str, Verdict] = {}
        self._absent: set[str] = set()
        self.started = datetime.now(UTC)

    def bare(self, nodeid: str) -> str:
        """``nodeid`` without the ``@group`` that ``--dist loadgroup`` appends."""
        head, at, group = nodeid.rpartition("@")
        return head if at and group in self._names else nodeid

    def subject_of(self, nodeid: str) -> str | None:
        """The subject of a test, from its parameters; ``None`` if the test is not of a case."""
        return next((subject for _, subject, _ in self._locate(self.bare(nodeid))), None)

    def select(self, nodeids: Iterable[str]) -> None:
        """Add tests that are going to run."""
        self._selected.update(map(self.bare, nodeids))

    def report(self, nodeid: str) -> None:
        """Record that a test reported something, whatever its outcome."""
        self._reported.add(self.bare(nodeid))

    def case(self, nodeid: str) -> None:
        """Record that a test is of a case, whatever its parameters, and must give a verdict."""
        self._cases.add(self.bare(nodeid))

    def absent(self, benchmark: str) -> None:
        """Record a selected benchmark without cases, whose gates therefore count as selected."""
        self._absent.add(benchmark)

    def verdict(self, nodeid: str, line: str) -> Verdict:
        """Record the verdict of a test from one line of JSON; raises `ValueError` if invalid."""
        verdict = Verdict.from_json(line)
        self._plan.check(verdict)
        self.add(nodeid, verdict)
        return verdict

    def add(self, nodeid: str, verdict: Verdict) -> None:
        """Record the verdict of a test, which has been checked."""
        self._verdicts[self.bare(nodeid)] = verdict

    def verdict_of(self, nodeid: str) -> Verdict | None:
        """The verdict of test ``nodeid``, if any."""
        return self._verdicts.get(self.bare(nodeid))

    @property
    def empty(self) -> bool:
        """Whether no case was selected."""
        return not (
            self._verdicts or self._absent or self._cases or any(map(self._locate, self._selected))
        )

    def _locate(self, nodeid: str) -> list[Key]:
        parameters = re.search(r"\[(.+)\]$", nodeid)
        return self._plan.locate(parameters[1]) if parameters else []

    def _verdicts_by_key(self) -> dict[Key, Verdict]:
        """One verdict per subject and case, unscored if several tests judged it."""
        verdicts: dict[Key, Verdict] = {}
        nodes: dict[Key, str] = {}
        for nodeid, v in sorted(self._verdicts.items()):
            key = (v.case.benchmark, v.response.subject, v.case.id)
            if key in verdicts:
                why = f"judged twice, by {nodes[key]} and {nodeid}"
                unscored = Unscored(code="duplicate", text=why)
                verdicts[key] = Verdict(
                    case=v.case,
                    response=v.response,
                    scores=dict.fromkeys(v.scores),
                    unscored=dict.fromkeys(v.scores, unscored),
                    judges=v.judges,
                )
            else:
                verdicts[key], nodes[key] = v, nodeid
        return verdicts

    def finish(self, left_out: Mapping[tuple[str, str], str], **facts: Any) -> Run:
        """Compute the metrics and gates; ``facts`` are added to the facts of the run.

        ``left_out``: each (benchmark, subject) of which the user selected no case, with the reason.
        """
        plan, profile = self._plan, self._plan.loaded.profile
        verdicts = self._verdicts_by_key()
        scores: dict[tuple[str, str], dict[str, Verdict]] = defaultdict(dict)
        for (benchmark, subject, case), verdict in verdicts.items():
            scores[benchmark, subject][case] = verdict
        lost, unreported = self._lost(verdicts)
        missing = len(lost) + len(unreported)
        sides: dict[tuple[str, str, str], Side] = {}
        evaluated: dict[tuple[str, str], int] = {}
        order = [(b, s) for b in plan.loaded.benchmarks for s in profile.subject_names]
        for benchmark, subject in order:
            by_id = scores[benchmark, subject]
            planned = plan.planned(benchmark, subject)
            evaluated[benchmark, subject] = len(planned & by_id.keys())
            for measure in plan.measures(benchmark):
                name = measure.name
                by_case = {c: v.scores[name] for c, v in by_id.items() if name in v.scores}
                side = Side(by_case, len(planned), evaluated[benchmark, subject])
                sides[subject, benchmark, name] = side
        pending = sum(v.pending for v in verdicts.values())
        selection = Selection(
            left_out={pair: why for pair, why in left_out.items() if not evaluated.get(pair)},
            unjudged=plan.unjudged,
            constant=self._constant(verdicts.values()),
        )
        gates = rule_gates(plan.gates, sides, selection, profile.gates)
        if pending:
            gates = [pending_ruling(gate, pending) for gate in gates]
        metrics = [
            self._metric(sides, scores[benchmark, subject].values(), benchmark, subject, measure)
            for benchmark, subject in order
            if scores[benchmark, subject]
            for measure in plan.measures(benchmark)
            if sides[subject, benchmark, measure.name].scores  # else it applies to no case
        ]
        rows = [scores[b, s][c] for b, s in order for c in sorted(scores[b, s])]
        counts = {
            "planned": sum(len(plan.planned(*pair)) for pair in order),
            "evaluated": sum(evaluated.values()),
            "selected": len(verdicts) + len(lost),
            "verdicts": len(verdicts),
            "unscored": sum(bool(v.unscored) for v in rows),
            "lost": missing,
            "pending": pending,
        }
        facts["lost"] = sorted([f"{s}-{c} ({b})" for b, s, c in lost] + unreported)[:10]
        return Run(self._facts(rows, counts, facts), metrics, gates, rows)

    def _lost(self, verdicts: dict[Key, Verdict]) -> tuple[set[Key], list[str]]:
        """The selected cases without a verdict, and the other tests that did not report.

        A lost case is identified by the parameters in its node id. If they match several
        benchmarks, it counts as lost in each.
        """
        lost: set[Key] = set()
        unreported = []
        for nodeid in (self._selected | self._cases) - set(self._verdicts):
            keys = set(self._locate(nodeid))
            lost |= keys - verdicts.keys()
            if not keys and (nodeid in self._cases or nodeid not in self._reported):
                unreported.append(nodeid)
        return lost, unreported

    @staticmethod
    def _constant(verdicts: Iterable[Verdict]) -> set[tuple[str, str]]:
        """Each (benchmark, measure) that a language model scored the same for all answers."""
        scores: dict[tuple[str, str], list[float]] = defaultdict(list)
        for verdict in verdicts:
            for measure, score in verdict.scores.items():
                kind = JUDGE_KINDS.get(verdict.judges[measure])  # `None` for a detector
                if score is not None and kind is not None and kind.is_llm:
                    scores[verdict.case.benchmark, measure].append(score)
        return {key for key, values in scores.items() if len(values) > 1 and len(set(values)) == 1}

    def _metric(
        self,
        sides: dict[tuple[str, str, str], Side],
        verdicts: Iterable[Verdict],
        benchmark: str,
        subject: str,
        measure: Measure,
    ) -> Metric:
        name = self._plan.loaded.profile.baseline
        base = sides[name, benchmark, measure.name].scores if name != subject else {}
        scores = sides[subject, benchmark, measure.name].scores
        baseline = (name, base) if base else None
        return metric(
            subject, benchmark, measure, scores, baseline, spreads(verdicts, measure.name)
        )

    def _facts(
        self, rows: list[Verdict], counts: dict[str, int], more: dict[str, Any]
    ) -> dict[str, Any]:
        plan, loaded = self._plan, self._plan.loaded
        present = {v.response.subject for v in rows}
        return {
            "profile": {
                "name": loaded.name,
                "path": loaded.path.name,
                "digest": loaded.digest,
                "content": loaded.profile.public_dict(by_alias=True),
            },
            "started": utc(self.started),
            "finished": utc(datetime.now(UTC)),
            "versions": versions(),
            "machine": machine(),
            "subjects": [
                plan.responses.describe(s) for s in loaded.profile.subjects if s.name in present
            ],
            "data": {
                "source": loaded.profile.data.source,
                "digests": plan.digests,
                "limit": plan.limit,
                "sets": {name: cases.facts for name, cases in plan.sets.items()},
            },
            "benchmarks": {
                name: benchmark.describe()
                for name, benchmark in loaded.benchmarks.items()
                if name in plan.cases
            },
            "protocol": plan.protocol,
            "decoding": plan.responses.decoding(),
            "cost": plan.judges.cost(),
            "answering": plan.responses.cost(),
            "counts": counts,
            "unscored": _unscored(rows),
            "notes": list(plan.notes),
            **more,
        }


def _unscored(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """The reasons for missing scores: per code the number of verdicts, and texts with counts."""
    by_code: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        for code, text in {(u.code, u.text) for u in verdict.unscored.values()}:
            by_code[code][text] += 1
    return [
        {
            "code": code,
            "count": texts.total(),
            "texts": [{"text": text, "count": n} for text, n in sorted(texts.items())],
        }
        for code, texts in sorted(by_code.items())
    ]
