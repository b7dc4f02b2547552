"""The votes of a judge that is a model -> one verdict: the median counts, every vote is kept."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from lek.benchmarks.benchmark import Measure
from lek.records import Case, Response, UnscoredCode, Verdict, Vote, make_verdict, unscored_verdict


class Missing(NamedTuple):
    """Why there is no vote. ``pending``: the judge was not heard, so its vote is still to come."""

    why: str
    pending: bool


def verdict(
    case: Case,
    response: Response,
    measures: Sequence[Measure],
    ballot: Sequence[Vote | Missing],
    *,
    judge: str,
) -> Verdict:
    """The verdict of an odd number of votes; unscored where one of them is missing.

    With several votes the reason is that of the vote nearest to the medians.
    """
    missing = [vote for vote in ballot if isinstance(vote, Missing)]
    votes = tuple(vote for vote in ballot if isinstance(vote, Vote))
    if missing:
        first = next((m for m in missing if m.pending), missing[0])
        of = f"{len(missing)} of {len(ballot)} votes are missing: " if len(ballot) > 1 else ""
        code: UnscoredCode = "judge_unavailable" if first.pending else "invalid_reply"
        given = unscored_verdict(case, response, measures, code, of + first.why, judge=judge)
        return replace(given, votes=votes)
    scores = {m.name: median(vote.scores[m.name] for vote in votes) for m in measures}
    near = min(votes, key=lambda vote: sum(abs(vote.scores[m] - s) for m, s in scores.items()))
    given = make_verdict(case, response, measures, scores, judge=judge, reason=near.reasons)
    return replace(given, votes=votes)
