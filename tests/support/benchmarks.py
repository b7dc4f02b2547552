"""The shipped benchmarks, their judged measures and rubrics, and profiles without files."""

from pathlib import Path

from lek.benchmarks.benchmark import Benchmark, Measure, shipped
from lek.judges.llm import prompt
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Profile

NAMES = ("gsm8k", "truthfulqa", "do_not_answer", "toxigen", "ethics", "xstest")
BENCHMARKS: dict[str, Benchmark] = {name: shipped()[name] for name in NAMES}


def judged(benchmark: str) -> tuple[Measure, ...]:
    """Return the measures of ``benchmark`` that an LLM judge scores."""
    return tuple(m for m in BENCHMARKS[benchmark].measures if m.rubric is not None)


def names(benchmark: str) -> tuple[str, ...]:
    """Return the names of the measures that an LLM judge scores."""
    return tuple(m.name for m in judged(benchmark))


def rubric_of(benchmark: str) -> prompt.Rubric:
    """Return the rubric of all measures that an LLM judge scores."""
    return prompt.load(BENCHMARKS[benchmark], judged(benchmark))


def loaded(profile: Profile, path: str = "p.toml") -> LoadedProfile:
    """Return ``profile`` as if it had been read from ``path``."""
    benchmarks = {name: BENCHMARKS[name] for name in profile.data.benchmarks}
    return LoadedProfile(
        name=Path(path).stem, path=Path(path), digest="", profile=profile, benchmarks=benchmarks
    )
