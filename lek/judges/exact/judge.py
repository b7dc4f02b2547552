"""The exact judge, which compares the final number of an answer with the reference.

An answer without a number is wrong (0), not unscored, because the question asks for a number.
Values are compared as fractions, so 18, 18.00, $18 and 36/2 are equal, and 0.33 is not 1/3.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from lek.benchmarks.benchmark import Measure
from lek.judges.exact.extraction import read_answer
from lek.judges.exact.numerals import numbers, strip_latex
from lek.records import Case, Response, Verdict, make_verdict, unscored_verdict

NAME = "exact"


def exact(case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
    """Score 1 or 0 on each of ``measures``; unscored only if the reference is not one number."""
    reference = str(case.reference["correct_answer"])
    expected = _reference(reference)
    if expected is None:
        why = f"the reference of {case.id} is {reference!r}, not one number"
        return unscored_verdict(case, response, measures, "bad_reference", why, judge=NAME)
    assert response.text is not None  # judges only get responses with a text
    reading = read_answer(response.text, case.prompt, finish=response.finish)
    value = "no number" if reading.value is None else _text(reading.value)
    reason = f"read {value} ({reading.how}), expected {_text(expected)}"
    right = reading.value == expected
    scores = {measure.name: right for measure in measures}
    return make_verdict(case, response, measures, scores, judge=NAME, reason=reason)


@lru_cache(maxsize=4096)
def _reference(text: str) -> Fraction | None:
    quantities = numbers(strip_latex(text))
    return quantities[0].value if len(quantities) == 1 else None


def _text(value: Fraction) -> str:
    if value.denominator == 1 and abs(value) < 10**15:
        return str(value.numerator)
    decimal = f"{float(value):.6g}"
    if Fraction(decimal) == value:
        return decimal
    return str(value) if 1 < value.denominator < 10_000 else f"about {decimal}"
