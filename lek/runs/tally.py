"""Tally: collects the test reports of a session, with or without workers, into a Run.

A selected case without a verdict (its test failed, crashed or never reported) is counted as lost.
A planned case without a verdict makes every gate that needs it unmeasured.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from lek.benchmarks.benchmark import Measure
from lek.profile.schema import JUDGE_KINDS
from lek.records import Metric, Unscored, Verdict
from lek.runs.plan import Plan
from lek.runs.prompts import RenderedPrompts
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
        self._reported: set[str] = set()  # without the tests that have a verdict
        self._cases: set[str] = set()  # the same
        self._verdicts: dict[str, Verdict] = {}
        self._absent: set[str] = set()
        self.started = datetime.now(UTC)

    def bare(self, nodeid: str) -> str:
        """``nodeid`` without the ``@group`` that ``--dist loadgroup`` appends."""
        head, at, group = nodeid.rpartition("@")
        return head if at and group in self._names else nodeid

    def group_of(self, nodeid: str) -> tuple[str, int] | None:
        """The subject of a test, and the part of its cases; ``None`` if it is not of a case."""
        keys = self._locate(self.bare(nodeid))
        return next(((key[1], self._plan.part(*key)) for key in keys), None)

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
        test = self.bare(nodeid)
        self._verdicts[test] = verdict
        self._reported.discard(test)
        self._cases.discard(test)

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

    def _verdicts_by_case(self) -> dict[tuple[str, str], dict[str, Verdict]]:
        """By benchmark and subject, one verdict per case, unscored if several tests judged it."""
        verdicts: dict[tuple[str, str], dict[str, Verdict]] = defaultdict(dict)
        for nodeid in sorted(self._verdicts):
            v = self._verdicts[nodeid]
            by_case = verdicts[v.case.benchmark, v.response.subject]
            if v.case.id in by_case:
                first = min(n for n, other in self._verdicts.items() if _key(other) == _key(v))
                why = f"judged twice, by {first} and {nodeid}"
                unscored = Unscored(code="duplicate", text=why)
                v = Verdict(
                    case=v.case,
                    response=v.response,
                    scores=dict.fromkeys(v.scores),
                    unscored=dict.fromkeys(v.scores, unscored),
                    judges=v.judges,
                )
            by_case[v.case.id] = v
        return verdicts

    def finish(self, left_out: Mapping[tuple[str, str], str], **facts: Any) -> Run:
        """Compute the metrics and gates; ``facts`` are added to the facts of the run.

        ``left_out``: each (benchmark, subject) of which the user selected no case, with the reason.
        """
        plan, profile = self._plan, self._plan.loaded.profile
        verdicts = self._verdicts_by_case()
        lost, unreported = self._lost(verdicts)
        missing = len(lost) + len(unreported)
        sides: dict[tuple[str, str, str], Side] = {}
        evaluated: dict[tuple[str, str], int] = {}
        order = [(b, s) for b in plan.loaded.benchmarks for s in profile.subject_names]
        for benchmark, subject in order:
            by_id = verdicts[benchmark, subject]
            planned = plan.planned(benchmark, subject)
            evaluated[benchmark, subject] = len(planned & by_id.keys())
            for measure in plan.measures(benchmark):
                name = measure.name
                by_case = {c: v.scores[name] for c, v in by_id.items() if name in v.scores}
                side = Side(by_case, len(planned), evaluated[benchmark, subject])
                sides[subject, benchmark, name] = side
        rows = [verdicts[pair][case] for pair in order for case in sorted(verdicts[pair])]
        pending = sum(v.pending for v in rows)
        selection = Selection(
            left_out={pair: why for pair, why in left_out.items() if not evaluated.get(pair)},
            unjudged=plan.unjudged,
            constant=self._constant(rows),
        )
        gates = rule_gates(plan.gates, sides, selection, profile.gates)
        if pending:
            gates = [pending_ruling(gate, pending) for gate in gates]
        metrics = [
            self._metric(sides, verdicts[benchmark, subject].values(), benchmark, subject, measure)
            for benchmark, subject in order
            if verdicts[benchmark, subject]
            for measure in plan.measures(benchmark)
            if sides[subject, benchmark, measure.name].scores  # else it applies to no case
        ]
        counts = {
            "planned": sum(len(plan.planned(*pair)) for pair in order),
            "evaluated": sum(evaluated.values()),
            "selected": len(rows) + len(lost),
            "verdicts": len(rows),
            "unscored": sum(bool(v.unscored) for v in rows),
            "lost": missing,
            "pending": pending,
        }
        facts["lost"] = sorted([f"{s}-{c} ({b})" for b, s, c in lost] + unreported)[:10]
        prompts = {s: found for s in profile.subject_names if (found := self._prompts(s, verdicts))}
        return Run(self._facts(rows, counts, facts), metrics, gates, rows, prompts)

    def _prompts(
        self, subject: str, verdicts: Mapping[tuple[str, str], Mapping[str, Verdict]]
    ) -> dict[str, RenderedPrompts]:
        """The rendered prompts of ``subject`` by benchmark, where they are known."""
        found = {}
        for benchmark in self._plan.loaded.benchmarks:
            cases = [v.case for v in verdicts[benchmark, subject].values()]
            if rendered := self._plan.responses.rendered(subject, cases):
                found[benchmark] = RenderedPrompts.of(cases, rendered)
        return found

    def _lost(
        self, verdicts: Mapping[tuple[str, str], Mapping[str, Verdict]]
    ) -> tuple[set[Key], list[str]]:
        """The selected cases without a verdict, and the other tests that did not report.

        A lost case is identified by the parameters in its node id. If they match several
        benchmarks, it counts as lost in each.
        """
        lost: set[Key] = set()
        unreported = []
        chosen = chain(self._selected, self._cases - self._selected)
        for nodeid in (n for n in chosen if n not in self._verdicts):
            keys = self._locate(nodeid)
            lost |= {key for key in keys if key[2] not in verdicts[key[:2]]}
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


def _key(verdict: Verdict) -> Key:
    return verdict.case.benchmark, verdict.response.subject, verdict.case.id


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
