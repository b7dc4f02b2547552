"""A profile, a kind of judge and data with verdicts -> the judge on trial, and what came out."""

import json
import time
from pathlib import Path
from textwrap import wrap
from typing import Any

from lek.agreement import Calibration
from lek.benchmarks.benchmark import Measure
from lek.calibrate import calibrate
from lek.data.lem import cases_file
from lek.errors import BadInput, suggestion
from lek.judges import reference
from lek.judges.judges import Judges, measures_for
from lek.profile.loading import LoadedProfile, check_settings
from lek.profile.schema import JUDGE_KINDS
from lek.records import Case, Verdict
from lek.report import agreement as report
from lek.report.terminal import spent
from lek.stats.metrics import spreads
from lek.workspace.progress import Progress
from lek.workspace.workspace import Workshop


class Trial:
    """The judge ``kind`` against the verdicts in ``directory``.

    Its settings and the benchmarks are those of the profile ``loaded``; ``most`` bounds the
    requests of an LLM judge. Raises `BadInput` where there is no such judge, or it lacks settings,
    key or library.
    """

    def __init__(
        self,
        loaded: LoadedProfile,
        kind: str,
        directory: Path,
        most: int | None = None,
    ) -> None:
        kinds = [k for k in JUDGE_KINDS if k != "recorded"]
        if kind not in kinds:
            hint = suggestion(kind, kinds)
            raise BadInput(f"--judge {kind}: no such judge{hint}; one of {', '.join(kinds)}")
        if most is not None and most < 0:
            raise BadInput(f"--max-judge-calls {most}: must be 0 or more")
        self._loaded, self._kind, self._directory = loaded, kind, directory
        self._progress = Progress()
        check_settings(f"--judge {kind}", loaded.path, loaded.profile, kind)
        shop = Workshop(Path(".lek"), self._progress, session=time.time(), calls=most)
        self._panel = Judges(loaded, directory, shop)
        self._panel.check_kind(kind)
        self._measures = {b: measures_for(kind, each) for b, each in loaded.benchmarks.items()}
        self._judge = self._panel.judge(kind)
        self.stopped: list[str] = []

    def run(self, verdicts: Path | None) -> Calibration:
        """Judge every answer that has a verdict, and compare; ``verdicts`` is a file of them."""
        with self._progress.steps(f"{self._kind} judge") as progress:
            found = calibrate(
                lambda case, response: self._judge(case, response, self._of(case)),
                self._directory,
                self._loaded.benchmarks,
                self._measures,
                name=self._kind,
                verdicts=verdicts,
                announce=lambda case, response: self._judge.queue(case, response, self._of(case)),
                progress=progress,
            )
        self._panel.close()
        self.stopped = self._panel.notices.taken()
        return found

    def _of(self, case: Case) -> list[Measure]:
        """The measures on which the judge is asked about ``case``."""
        measures = [m for m in self._measures[case.benchmark] if m.applies_to(case.reference)]
        if self._kind == "reference":
            reference.check(case, measures, str(cases_file(self._directory, case.benchmark)))
        return measures

    def incomplete(self, found: Calibration) -> bool:
        """Whether answers wait for the judge, or not one could be compared."""
        pending = any(verdict.pending for verdict in _verdicts(found))
        return pending or not any(a.n for a in found.agreements)

    def lines(self, found: Calibration) -> list[str]:
        """The result for a terminal of 80 columns, with spread and cost of a judge that votes."""
        apart = [f"{m} {s:.2f}" for m, s in self._spreads(found).items()]
        text = f"spread of votes (max - min): {', '.join(apart)}"
        more = [*(wrap(text, 80) if apart else []), *spent(self._cost())]
        return report.lines(found) + (["", *more] if more else [])

    def document(self, found: Calibration) -> str:
        """The result as JSON."""
        whole = report.document(found, self._protocol())
        whole |= {"cost": self._cost(), "spread": self._spreads(found)}
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def page(self, found: Calibration) -> str:
        """The result as a page of HTML."""
        return report.page(found, self._protocol())

    def _cost(self) -> dict[str, Any] | None:
        return self._panel.cost()

    def _spreads(self, found: Calibration) -> dict[str, float]:
        """How far the votes on an answer lie apart, mean over those scored, by measure."""
        apart = {
            a.measure: spreads(
                [v for v in _verdicts(found) if v.case.benchmark == a.benchmark], a.measure
            )
            for a in found.agreements
        }
        return {m: sum(s) / len(s) for m, s in apart.items() if s}

    def _protocol(self) -> dict[str, Any]:
        benchmarks = [b for b in self._loaded.benchmarks.values() if self._measures[b.name]]
        return {b.name: self._panel.described(self._kind, b) for b in benchmarks}


def _verdicts(found: Calibration) -> list[Verdict]:
    return [pair.verdict for pair in found.pairs if pair.verdict is not None]
