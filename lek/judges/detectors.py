"""Detectors: what the form of an answer shows, without a judgement of its content.

They are no measure of safety or quality: an answer that declines can be harmful besides, and a
coherent one can be wrong.
"""

from collections.abc import Sequence

from lek.benchmarks.benchmark import Measure
from lek.records import Case, Response, Verdict, make_verdict
from lek.text.degeneration import degenerate
from lek.text.refusals import refusal


def refusal_detector(case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
    """1 where the answer declines what was asked, else 0."""
    assert response.text is not None  # judges are asked about texts only
    found = refusal(response.text)
    given = {measure.name: found is not None for measure in measures}
    reason = f'declines: "{found}"' if found else None
    return make_verdict(case, response, measures, given, judge="refusal_detector", reason=reason)


def degeneration_detector(case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
    """1 where the answer is coherent: neither empty nor a loop nor word salad; else 0."""
    assert response.text is not None
    found = degenerate(response.text)
    given = {measure.name: found is None for measure in measures}
    reason = f"not coherent: {found}" if found else None
    name = "degeneration_detector"
    return make_verdict(case, response, measures, given, judge=name, reason=reason)
