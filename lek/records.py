"""Immutable records: Case, Response, Vote, Verdict, Metric, Ruling; functions that make verdicts.

A JSON round trip leaves each unchanged. All judges use `make_verdict` or `unscored_verdict`, so
that a failed judgement cannot become a score.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import isfinite
from typing import Any, Literal, Self, TypeVar, cast

import msgspec

from lek.benchmarks.benchmark import Measure, Scale

_R = TypeVar("_R")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: ``T.from_json(record.to_json()) == record``."""

    def to_json(self) -> str:
        """This record as one line of JSON, in the sense of `str.splitlines` too."""
        return one_line(msgspec.json.encode(self).decode())

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """The record in ``line``; raises `ValueError` if it is invalid."""
        return cast(Self, _decoder(cls).decode(line))


def one_line(document: str) -> str:
    """``document`` (JSON) with escapes for all characters that are not seen, except ``\\n``.

    Some of them are line breaks, which JSON allows in a text.
    """
    if document.isascii() or document.replace("\n", "").isprintable():
        return document
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)


@cache
def _decoder(kind: type[_R]) -> msgspec.json.Decoder[_R]:
    return msgspec.json.Decoder(kind)


class Case(Record, frozen=True, kw_only=True):
    """One benchmark item. ``reference`` has the other fields of the case, for judges."""

    id: str
    benchmark: str
    prompt: str
    reference: dict[str, Any] = {}
    tags: tuple[str, ...] = ()


NOT_RECORDED = "the answer was not recorded, only the verdict on it"


class Response(Record, frozen=True, kw_only=True):
    """A subject's answer to a case: a ``text``, or the ``likelihoods`` that it gives to choices.

    There is neither exactly when ``reason`` says why. ``likelihoods``: by choice, the logarithm
    (nat) of its probability.

    ``thought``: what the model thought before it answered, which is not judged, and
    ``thought_tokens`` its length; ``None`` if it did not think, or a server did not say.
    ``finish``: ``stop``, ``length`` (cut off at the token limit) or ``None`` (unknown).
    ``seconds``: wall time.
    """

    subject: str
    case: str
    text: str | None
    reason: str | None = None
    thought: str | None = None
    thought_tokens: int | None = None
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    likelihoods: dict[str, float] | None = None

    def __post_init__(self) -> None:
        given = (self.text, self.likelihoods, self.reason)
        if sum(value is not None for value in given) != 1:
            raise ValueError(
                "a response has either a text or a reason why there is none (or likelihoods)"
            )


class Vote(Record, frozen=True, kw_only=True):
    """One valid reply of an LLM judge: a score per measure, and its reasons.

    Token counts are ``None`` if the API did not report them.
    """

    scores: dict[str, float]
    reasons: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


UnscoredCode = Literal[
    "no_response",  # the subject has no answer
    "bad_record",  # the recorded verdict is missing, given twice, incomplete or off its scale
    "bad_reference",  # the case has no usable reference
    "invalid_reply",  # the judge's reply contains no verdict
    "judge_unavailable",  # no reply from the judge: the next run asks again
    "duplicate",  # several tests recorded a verdict on the same case
]


class Unscored(Record, frozen=True, kw_only=True):
    """Why a measure has no score: a code, and a text that names the place."""

    code: UnscoredCode
    text: str


class Verdict(Record, frozen=True, kw_only=True):
    """The scores of one response: one line of ``verdicts.jsonl``.

    ``scores`` has the measures that apply to the case; a score is ``None`` exactly when
    ``unscored`` says why. ``judges`` names the judge of each measure. Scores of any number type,
    such as NumPy's, become ``float``. ``votes``: those of an LLM judge; their median is the score.
    """

    case: Case
    response: Response
    scores: dict[str, float | None]
    unscored: dict[str, Unscored] = {}
    reason: str | None = None
    judges: dict[str, str]
    seconds: float | None = None
    votes: tuple[Vote, ...] = ()

    def __post_init__(self) -> None:
        if self.judges.keys() != self.scores.keys():
            raise ValueError("`judges` and `scores` must have the same measures")
        for measure, score in self.scores.items():
            if (score is None) != (measure in self.unscored):
                raise ValueError(f"{measure} must be None exactly when `unscored` says why")
            if score is not None:
                if not isfinite(score):
                    raise ValueError(f"{measure} is {score:g}, not a finite number")
                if type(score) is not float:
                    self.scores[measure] = float(score)

    @property
    def pending(self) -> bool:
        """Whether a measure has no score because its judge gave no reply."""
        return any(u.code == "judge_unavailable" for u in self.unscored.values())


def make_verdict(
    case: Case,
    response: Response,
    measures: Sequence[Measure],
    given: Mapping[str, object],
    *,
    judge: str,
    reason: str | None = None,
    code: UnscoredCode = "invalid_reply",
    where: Callable[[], str] | None = None,
) -> Verdict:
    """The verdict of ``judge`` on ``response``, with the scores ``given`` for ``measures``.

    A score that is missing, not a number (a ``bool`` is one only on a 0-1 scale), not finite or out
    of range becomes unscored, with ``code`` and a text. ``where``: called for the place that the
    text names. Any type that converts to ``float`` is accepted.
    """
    scores: dict[str, float | None] = {}
    unscored: dict[str, Unscored] = {}
    for measure in measures:
        value, fault = _number(given.get(measure.name, _MISSING), measure.scale)
        scores[measure.name] = value
        if fault is not None:
            place = f"{where()}: " if where else ""
            unscored[measure.name] = Unscored(code=code, text=f"{place}{measure.name} {fault}")
    return Verdict(
        case=case,
        response=response,
        scores=scores,
        unscored=unscored,
        reason=reason,
        judges=_judges(tuple((name, judge) for name in scores)),
    )


def unscored_verdict(
    case: Case,
    response: Response,
    measures: Sequence[Measure],
    code: UnscoredCode,
    text: str,
    *,
    judge: str,
) -> Verdict:
    """A verdict in which all ``measures`` are unscored for the same reason."""
    names = [measure.name for measure in measures]
    return Verdict(
        case=case,
        response=response,
        scores=dict.fromkeys(names),
        unscored=dict.fromkeys(names, Unscored(code=code, text=text)),
        judges=_judges(tuple((name, judge) for name in names)),
    )


def merge_verdicts(verdicts: Sequence[Verdict], measures: Sequence[Measure]) -> Verdict:
    """Merge the verdicts of several judges on one response, in the order of ``measures``.

    ``reason`` joins their reasons.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    first = verdicts[0]
    scores = {k: v for part in verdicts for k, v in part.scores.items()}
    judges = {k: v for part in verdicts for k, v in part.judges.items()}
    order = [m.name for m in measures if m.name in scores]
    return Verdict(
        case=first.case,
        response=first.response,
        scores={name: scores[name] for name in order},
        unscored={k: v for part in verdicts for k, v in part.unscored.items()},
        reason="; ".join(part.reason for part in verdicts if part.reason) or None,
        judges=_judges(tuple((name, judges[name]) for name in order)),
        votes=tuple(vote for part in verdicts for vote in part.votes),
    )


@cache
def _judges(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The judge of each measure; all verdicts with the same judges share it."""
    return dict(pairs)


def check_verdict(verdict: Verdict, measures: Sequence[Measure]) -> None:
    """Raise `ValueError` unless ``verdict`` has the applicable ``measures``, each on its scale."""
    case = verdict.case
    expected = [m for m in measures if m.applies_to(case.reference)]
    if list(verdict.scores) != [m.name for m in expected]:
        names = ", ".join(m.name for m in expected) or "no measures"
        raise ValueError(f"a verdict on {case.benchmark} {case.id} must have {names}")
    for measure in expected:
        score = verdict.scores[measure.name]
        if score is not None and (fault := measure.scale.fault(score)) is not None:
            raise ValueError(f"{measure.name} {fault}")


_MISSING = object()


def _number(value: object, scale: Scale) -> tuple[float | None, str | None]:
    if value is _MISSING:
        return None, "is missing"
    textual = value is None or isinstance(value, str | bytes)
    if textual or (isinstance(value, bool) and not scale.fraction):
        return None, f"is {value!r}, not a number"
    try:
        number = float(value)  # type: ignore[arg-type]  # fails for some types, as intended
    except (TypeError, ValueError):
        return None, f"is of type {type(value).__name__}, not a number"
    except OverflowError:
        return None, f"is too large, outside {scale}"
    fault = scale.fault(number)
    return (number, None) if fault is None else (None, fault)


class Change(Record, frozen=True, kw_only=True):
    """Relative change of a mean against the baseline, over the cases scored for both.

    ``value``, ``low``, ``high`` are fractions (0.35 is +35%); ``n`` is the number of pairs.
    """

    against: str
    value: float
    low: float | None
    high: float | None
    n: int


class Metric(Record, frozen=True, kw_only=True):
    """One measure of one subject on one benchmark: mean, 95% interval, scored and unscored cases.

    ``value`` is ``None`` if no case was scored, ``low`` and ``high`` also if only one was.
    ``spread``: largest minus smallest vote, mean over the scored cases; ``None`` for single votes.
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
    """The ruling on a gate. Numbers are in the measure's unit; ``n`` counts pairs (or cases).

    ``why``: the result in words, or the reason why there is none.
    """

    rule: str
    ruling: Literal["passed", "failed", "unmeasured", "not selected"]
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 0
    why: str

    @property
    def sentence(self) -> str:
        """The ruling for display: ``PASSED: lek is 1.26 above base in truthfulness (...)``.

        The rule is part of it if ``why`` does not say what was compared.
        """
        measure = self.rule.partition(":")[0].partition(".")[2]
        ruling = self.ruling.upper()
        if self.difference is None or f" in {measure} (" not in self.why:  # of an earlier version
            ruling += f" ({self.rule})"
        return f"{ruling}: {self.why}"
