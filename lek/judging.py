"""A profile and its data -> the judge of each benchmark, and the digest of what it judges by."""

from collections.abc import Callable, Collection
from pathlib import Path

from lek import sources
from lek.judges.exact import exact
from lek.judges.recorded import RecordedJudge
from lek.lem import Scores, read_scores, scores_file
from lek.profile import Profile
from lek.records import Case, Response, Verdict

Judge = Callable[[Case, Response], Verdict]


class Judges:
    """The judges of a profile over the data in ``directory``."""

    def __init__(self, profile: Profile, directory: Path) -> None:
        self._profile, self._directory = profile, directory
        self._scores: Scores | None = None
        self.notes: list[str] = []

    def of(self, benchmark: str, subjects: Collection[str], known: set[str]) -> Judge:
        """The judge of ``benchmark``, for the answers of ``subjects`` to ``known`` cases.

        Raises `BadInput` where recorded verdicts cannot be read.
        """
        kind = self._profile.judges.of(benchmark)
        if kind == "exact":
            return exact
        if kind == "lexical":
            from lek.judges.lexical import lexical  # its word lists need not be read otherwise

            return lexical
        if self._scores is None:
            self._scores = read_scores(scores_file(self._directory))
        models = {
            s.name: s.recorded
            for s in self._profile.subjects
            if s.recorded is not None and s.name in subjects
        }
        judge = RecordedJudge(self._scores, benchmark, models)
        self.notes += judge.notes(known)
        return judge

    @property
    def digests(self) -> dict[str, str]:
        """The files that the judges read, with the SHA-256 of each."""
        return {self._scores.path.name: self._scores.digest} if self._scores else {}

    def protocol(self, benchmark: str) -> dict[str, str]:
        """The kind of ``benchmark``'s judge, and the digest of its sources or of its file."""
        kind = self._profile.judges.of(benchmark)
        if kind == "recorded":
            assert self._scores is not None
            return {"judge": kind, "digest": self._scores.digest}
        return {"judge": kind, "digest": sources.digest(f"judges/{kind}.py")}
