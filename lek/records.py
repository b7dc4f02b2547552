"""The words of the harness as frozen records: case, response, verdict, metric, ruling.

In come plain values, out go immutable records that survive a JSON round trip unchanged.
"""

from functools import cache
from typing import Any, Literal, Self, TypeVar, cast

import msgspec

from lek.measures import BENCHMARKS

_R = TypeVar("_R")


class BadInput(ValueError):
    """A fault in what the user gave: one line that names the place, the fault and the remedy."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Plain JSON both ways: ``T.from_json(record.to_json()) == record``. Holds no cycles."""

    def to_json(self) -> str:
        """This record as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """The record that ``line`` holds; raises `ValueError` where it holds none."""
        return cast(Self, _decoder(cls).decode(line))


@cache
def _decoder(kind: type[_R]) -> msgspec.json.Decoder[_R]:
    return msgspec.json.Decoder(kind)


class Case(Record, frozen=True, kw_only=True):
    """One benchmark item. ``reference`` holds what a judge may compare with."""

    id: str
    benchmark: str
    prompt: str
    reference: dict[str, Any] = {}
    tags: tuple[str, ...] = ()


class Response(Record, frozen=True, kw_only=True):
    """What a subject said to a case. ``text`` is ``None`` exactly when ``reason`` says why.

    ``seconds`` is wall time; ``finish`` is ``stop`` or ``length`` (cut off) where it is known.
    """

    subject: str
    case: str
    text: str | None
    reason: str | None = None
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.reason is None):
            raise ValueError("a response has either a text or a reason why there is none")


class Vote(Record, frozen=True, kw_only=True):
    """One usable reply of a judge that is a model: a score per measure, and its reasons.

    Tokens are ``None`` where the API did not say.
    """

    scores: dict[str, float]
    reasons: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Verdict(Record, frozen=True, kw_only=True):
    """The scores of one response. A measure is ``None`` exactly when ``unscored`` says why.

    This is one line of ``verdicts.jsonl`` and the only thing that a test sends to the controller.
    Scores of any number type (NumPy's among them) become ``float``. A judge that is a model keeps
    its ``votes``, of which the scores are the medians. ``pending`` means that the judge was not
    heard (stopped, overloaded): the run is incomplete, and the next one asks again.
    """

    case: Case
    response: Response
    scores: dict[str, float | None]
    unscored: dict[str, str] = {}
    reason: str | None = None
    judge: str
    seconds: float | None = None
    votes: tuple[Vote, ...] = ()
    pending: bool = False

    def __post_init__(self) -> None:
        benchmark = BENCHMARKS[self.case.benchmark]
        if tuple(self.scores) != benchmark.measures:
            raise ValueError(f"a {benchmark.name} verdict scores {', '.join(benchmark.measures)}")
        low, high, _ = benchmark.scale
        for measure, score in self.scores.items():
            if (score is None) != (measure in self.unscored):
                raise ValueError(f"{measure} is None exactly when `unscored` says why")
            if score is not None:
                if not low <= score <= high or (benchmark.scale.fraction and score not in (0, 1)):
                    raise ValueError(f"{measure} is {score:g}, outside {benchmark.scale}")
                if type(score) is not float:
                    self.scores[measure] = float(score)


class Change(Record, frozen=True, kw_only=True):
    """Relative change of a mean against the baseline's, over the cases that both sides have.

    ``value``, ``low``, ``high`` are fractions (0.35 is +35%); ``n`` is the number of pairs.
    """

    against: str
    value: float
    low: float | None
    high: float | None
    n: int


class Metric(Record, frozen=True, kw_only=True):
    """One measure of one subject on one benchmark: mean, 95% interval, scored and unscored cases.

    ``value`` is ``None`` when nothing was scored; ``low`` and ``high`` also when one case was.
    ``spread`` is how far the votes on a case lie apart (largest minus smallest, mean over the
    scored cases); ``None`` where a judge voted once.
    """

    subject: str
    benchmark: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int
    change: Change | None = None
    spread: float | None = None


class Ruling(Record, frozen=True, kw_only=True):
    """A gate's answer. Numbers are in the measure's unit; ``n`` counts pairs (or cases)."""

    rule: str
    ruling: Literal["open", "shut", "unmeasured", "not asked"]
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 0
    why: str
