"""The votes of a judge that is a model -> one verdict: the median counts, every vote is kept."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from lek.measures import BENCHMARKS
from lek.records import Case, Response, Verdict, Vote
from lek.scoring import score, unscored


class Missing(NamedTuple):
    """Why there is no vote. ``pending``: the judge was not heard, so its vote is still to come."""

    why: str
    pending: bool


def verdict(
    case: Case, response: Response, ballot: Sequence[Vote | Missing], *, judge: str
) -> Verdict:
    """The verdict of an odd number of votes; unscored where one of them is missing.

    With several votes the reason is that of the vote nearest to the medians.
    """
    missing = [vote for vote in ballot if isinstance(vote, Missing)]
    votes = tuple(vote for vote in ballot if isinstance(vote, Vote))
    if missing:
        first = next((m for m in missing if m.pending), missing[0])
        of = f"{len(missing)} of {len(ballot)} votes are missing: " if len(ballot) > 1 else ""
        given = unscored(case, response, of + first.why, judge=judge)
        return replace(given, votes=votes, pending=first.pending)
    measures = BENCHMARKS[case.benchmark].measures
    scores = {m: median(vote.scores[m] for vote in votes) for m in measures}
    near = min(votes, key=lambda vote: sum(abs(vote.scores[m] - scores[m]) for m in measures))
    given = score(case, response, scores, judge=judge, reason=near.reasons)
    return replace(given, votes=votes)
