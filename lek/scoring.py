"""What a judge gave -> a verdict: a measure is taken only if it is a number on its scale.

Every judge makes its verdicts here, so that none can let a failed judgement pass as a score.
"""

from collections.abc import Callable, Mapping

from lek.measures import BENCHMARKS, Scale
from lek.records import Case, Response, Verdict


def score(
    case: Case,
    response: Response,
    given: Mapping[str, object],
    *,
    judge: str,
    reason: str | None = None,
    where: Callable[[], str] | None = None,
) -> Verdict:
    """A verdict from the measures ``given``, for the text of ``response``.

    Whatever is missing, of another type (a ``bool`` is a number only for accuracy), not finite or
    out of range becomes unscored with the reason, which names ``where`` it was read (asked
    only then). Any number type that converts to ``float`` is taken, NumPy's scalars among them.
    """
    benchmark = BENCHMARKS[case.benchmark]
    scores: dict[str, float | None] = dict.fromkeys(benchmark.measures)
    unscored: dict[str, str] = {}
    for measure in benchmark.measures:
        value, fault = _number(given.get(measure, _MISSING), benchmark.scale)
        scores[measure] = value
        if fault is not None:
            unscored[measure] = f"{where()}: {measure} {fault}" if where else f"{measure} {fault}"
    return Verdict(
        case=case, response=response, scores=scores, unscored=unscored, reason=reason, judge=judge
    )


def unscored(case: Case, response: Response, why: str, *, judge: str) -> Verdict:
    """A verdict without any score, for the one reason ``why``."""
    measures = BENCHMARKS[case.benchmark].measures
    return Verdict(
        case=case,
        response=response,
        scores=dict.fromkeys(measures),
        unscored=dict.fromkeys(measures, why),
        judge=judge,
    )


_MISSING = object()


def _number(value: object, scale: Scale) -> tuple[float | None, str | None]:
    if value is _MISSING:
        return None, "is missing"
    textual = value is None or isinstance(value, str | bytes)
    if textual or (isinstance(value, bool) and not scale.fraction):
        return None, f"is {value!r}, not a number"
    try:
        number = float(value)  # type: ignore[arg-type]  # what does not convert is the point
    except (TypeError, ValueError):
        return None, f"is of type {type(value).__name__}, not a number"
    except OverflowError:
        return None, f"is too large, outside {scale}"
    if scale.fraction and number not in (0, 1):
        return None, f"is {number:g}, neither 0 nor 1"
    if not scale.low <= number <= scale.high:
        return None, f"is {number:g}, outside {scale}"
    return number, None
