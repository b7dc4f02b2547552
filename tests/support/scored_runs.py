"""Runs made of scores, without a session."""

from collections.abc import Mapping, Sequence
from typing import Any

from lek.benchmarks.benchmark import Benchmark, Measure, Scale
from lek.records import Case, Metric, Response, Ruling, Unscored, Verdict
from lek.runs.run import Run
from lek.stats.metrics import metric

TEN = Scale(1, 10)
BINARY = Scale(0, 1, fraction=True)
GRADED = Scale(0, 1, fraction=True, graded=True)

Scores = Mapping[str, Sequence[float | None]]  # by subject, one per case


def make_run(
    measures: Mapping[tuple[str, str], tuple[Scale, Scores]],
    *rules: str,
    baseline: str | None = "base",
) -> Run:
    """Return a run with the given scores, by benchmark and measure, and gates with these rules.

    Cases are numbered. Without ``baseline``, the profile does not name one.
    """
    benchmarks = {
        name: Benchmark(
            name,
            name,
            (),
            tuple(Measure(m, s, "judge") for (b, m), (s, _) in measures.items() if b == name),
            (),
            "",
        )
        for name in dict.fromkeys(b for b, _ in measures)
    }
    facts: dict[str, Any] = {
        "profile": {"name": "made", "content": {"baseline": baseline} if baseline else {}},
        "benchmarks": {name: benchmark.describe() for name, benchmark in benchmarks.items()},
    }
    gates = [Ruling(rule=rule, ruling="passed", why="") for rule in rules]
    verdicts = [
        _verdict(benchmark, subject, i, {m: scores[subject][i] for m, scores in tables.items()})
        for benchmark, tables in _tables(measures).items()
        for subject in next(iter(tables.values()))
        for i in range(len(next(iter(tables.values()))[subject]))
    ]
    return Run(facts, _metrics(benchmarks, measures), gates, verdicts)


def _tables(
    measures: Mapping[tuple[str, str], tuple[Scale, Scores]],
) -> dict[str, dict[str, Scores]]:
    """The scores by benchmark and measure."""
    tables: dict[str, dict[str, Scores]] = {}
    for (benchmark, measure), (_, scores) in measures.items():
        tables.setdefault(benchmark, {})[measure] = scores
    return tables


def _verdict(benchmark: str, subject: str, i: int, scores: dict[str, float | None]) -> Verdict:
    case = Case(id=f"C{i}", benchmark=benchmark, prompt="?")
    unscored = {
        m: Unscored(code="invalid_reply", text="no number") for m, s in scores.items() if s is None
    }
    return Verdict(
        case=case,
        response=Response(subject=subject, case=case.id, text="."),
        scores=scores,
        unscored=unscored,
        judges=dict.fromkeys(scores, "recorded"),
    )


def _metrics(
    benchmarks: Mapping[str, Benchmark],
    measures: Mapping[tuple[str, str], tuple[Scale, Scores]],
) -> list[Metric]:
    """The metrics by benchmark, subject and measure, with changes from ``base``."""
    metrics = []
    for name, tables in _tables(measures).items():
        by_case = {
            (measure, subject): {f"C{i}": score for i, score in enumerate(scores)}
            for measure, table in tables.items()
            for subject, scores in table.items()
        }
        for subject in next(iter(tables.values())):
            for measure in tables:
                base = by_case.get((measure, "base"))
                metrics.append(
                    metric(
                        subject,
                        name,
                        benchmarks[name][measure],
                        by_case[measure, subject],
                        None if base is None else ("base", base),
                    )
                )
    return metrics
