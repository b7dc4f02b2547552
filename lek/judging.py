"""A profile and its data -> the judge of each benchmark, and the digest of what it judges by."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path

from lek.judges.exact import exact
from lek.judges.recorded import RecordedJudge
from lek.lem import Scores, read_scores, scores_file
from lek.profile import JudgeKind, Profile
from lek.records import Case, Response, Verdict

Judge = Callable[[Case, Response], Verdict]
_SOURCES: Mapping[JudgeKind, tuple[str, ...]] = {
    "exact": ("numerals.py", "questions.py", "sums.py", "judges/exact.py"),
    "lexical": ("sentences.py", "refusals.py", "degeneration.py", "stances.py", "judges"),
}


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
        return {"judge": kind, "digest": _source_digest(kind)}


@cache
def _source_digest(kind: JudgeKind) -> str:
    """SHA-256 over the modules that make up a judge."""
    here, sha256 = Path(__file__).parent, hashlib.sha256()
    for name in _SOURCES[kind]:
        place = here / name
        for file in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            sha256.update(file.read_bytes())
    return sha256.hexdigest()
