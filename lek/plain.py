"""What a judge is, and those that answer at once: exact, reference, recorded, detectors."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.judges.detectors import degeneration_detector, refusal_detector
from lek.judges.exact import exact
from lek.judges.reference import reference
from lek.profile.schema import Judges as JudgesConfig
from lek.records import Case, Response, Verdict, merge_verdicts, unscored_verdict
from lek.workspace.fingerprint import code_digest

DETECTORS = {
    "refusal_detector": refusal_detector,
    "degeneration_detector": degeneration_detector,
}
_DETECTOR_CODE = (
    "judges/detectors.py",
    "text/refusals.py",
    "text/degeneration.py",
    "text/sentences.py",
)
_CODE = {
    "exact": ("judges/exact.py", "sums.py", "questions.py", "numerals.py"),
    "reference": ("judges/reference.py",),
    "refusal_detector": _DETECTOR_CODE,
    "degeneration_detector": _DETECTOR_CODE,
}


class Judge(Protocol):
    """Whoever scores some measures of responses that have a text.

    ``deferred`` says that it answers later than it is asked, so that responses are best queued as
    they come; ``batched`` that it is asked in batches, the larger the better.
    """

    name: str
    deferred: bool

    @property
    def batched(self) -> bool:
        """Whether it is asked in batches."""

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict on ``response``, on ``measures`` alone."""

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Have ``response`` judged sooner or later; returns at once."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """The keys of the requests that a verdict would take, and the characters of each."""

    def drain(self) -> None:
        """Have all judged that was queued."""

    def close(self) -> None:
        """Ask nothing more."""


class ImmediateJudge:
    """A function that judges at once and at no cost, as a judge."""

    deferred = batched = False

    def __init__(
        self, name: str, function: Callable[[Case, Response, Sequence[Measure]], Verdict]
    ) -> None:
        self.name, self._function = name, function

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict of the function."""
        return self._function(case, response, measures)

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Do nothing: it judges when it is called."""

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """Nothing: it makes no requests."""
        return [], 0

    def drain(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class BenchmarkJudge:
    """Judges responses to one benchmark: each of its measures by the judge that has it.

    ``parts`` are the judges, each with its measures. Measures that no judge has are left out.
    """

    def __init__(self, benchmark: Benchmark, parts: Sequence[tuple[Judge, list[Measure]]]) -> None:
        self.parts = tuple(parts)
        has = {measure.name for _, measures in parts for measure in measures}
        self.measures = tuple(m for m in benchmark.measures if m.name in has)

    def __call__(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``; without a text there is nothing to judge: unscored."""
        if response.text is None:
            why = response.reason or "no response"
            verdicts = [
                unscored_verdict(case, response, ms, "no_response", why, judge=judge.name)
                for judge, ms in self._applying(case)
            ]
        else:
            verdicts = [judge(case, response, ms) for judge, ms in self._applying(case)]
        if not verdicts:
            return Verdict(case=case, response=response, scores={}, judges={})
        return merge_verdicts(verdicts, self.measures)

    def queue(self, case: Case, response: Response) -> None:
        """Have ``response`` judged by those who take longer."""
        for judge, measures in self._applying(case):
            judge.queue(case, response, measures)

    def missing(self, case: Case, response: Response) -> list[tuple[str, list[str], int]]:
        """By judge that makes requests: its name, the keys that are missing, their characters."""
        return [
            (judge.name, *judge.missing(case, response, measures))
            for judge, measures in self._applying(case)
            if judge.deferred
        ]

    @property
    def deferred(self) -> bool:
        """Whether one of its judges takes longer."""
        return any(judge.deferred for judge, _ in self.parts)

    @property
    def batched(self) -> bool:
        """Whether one of its judges is asked in batches."""
        return any(judge.batched for judge, _ in self.parts)

    def _applying(self, case: Case) -> list[tuple[Judge, list[Measure]]]:
        found = []
        for judge, measures in self.parts:
            applying = [m for m in measures if m.applies_to(case.reference)]
            if applying:
                found.append((judge, applying))
        return found


def builtin_judge(name: str, config: JudgesConfig) -> Judge:
    """The judge of that name that needs nothing but the case and the response."""
    if name == "exact":
        return ImmediateJudge(name, exact)
    if name == "reference":
        return ImmediateJudge(name, partial(reference, floor=config.reference.floor))
    return ImmediateJudge(name, DETECTORS[name])


def builtin_protocol(name: str, config: JudgesConfig) -> dict[str, Any]:
    """What such a judge judges by."""
    described = {"digest": code_digest(*_CODE[name])}
    return described | (config.reference.model_dump() if name == "reference" else {})
