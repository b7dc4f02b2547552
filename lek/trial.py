"""A profile, a kind of judge and data with verdicts -> the judge on trial, and what came out."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args

from lek.agreement import Calibration
from lek.answers import Workshop
from lek.calibrate import calibrate
from lek.checks import check_table, suggestion
from lek.costs import spent
from lek.docket import Docket
from lek.judging import Judges
from lek.measures import BENCHMARKS
from lek.metrics import spreads
from lek.plain import PLAIN, plain_judge, plain_protocol
from lek.profile import JudgeKind
from lek.profiles import LoadedProfile
from lek.progress import Progress
from lek.records import BadInput, Verdict
from lek.report import agreement as report


class Trial:
    """The judge ``kind`` against the verdicts in ``directory``.

    A judge that is a model has its settings from the profile that ``load`` gives; ``most`` bounds
    its requests. Raises `BadInput` where there is no such judge, or it lacks settings, key or
    library.
    """

    def __init__(
        self,
        load: Callable[[], LoadedProfile],
        kind: str,
        directory: Path,
        most: int | None = None,
    ) -> None:
        kinds = [k for k in get_args(JudgeKind) if k != "recorded"]
        if kind not in kinds:
            hint = suggestion(kind, kinds)
            raise BadInput(f"--judge {kind}: no such judge{hint}; one of {', '.join(kinds)}")
        if most is not None and most < 0:
            raise BadInput(f"--max-judge-calls {most}: must be 0 or more")
        self._kind, self._directory, self._progress = kind, directory, Progress()
        self._panel = None if kind in PLAIN else self._seat(load(), most)
        self._judge = self._panel.docket(kind) if self._panel else plain_judge(kind)
        self.stopped: list[str] = []

    def _seat(self, loaded: LoadedProfile, most: int | None) -> Judges:
        check_table(f"--judge {self._kind}", loaded.path, loaded.profile, self._kind)
        shop = Workshop(Path(".lek"), self._progress, session=time.time(), calls=most)
        panel = Judges(loaded, self._directory, shop)
        panel.check_kind(self._kind)
        return panel

    def run(self, verdicts: Path | None) -> Calibration:
        """Judge every answer that has a verdict, and compare; ``verdicts`` is a file of them."""
        with self._progress.steps(f"{self._kind} judge") as progress:
            found = calibrate(
                self._judge,
                self._directory,
                verdicts=verdicts,
                benchmarks=[b for b in BENCHMARKS if self._suits(b)],
                announce=self._judge.queue if isinstance(self._judge, Docket) else None,
                progress=progress,
            )
        if self._panel:
            self._panel.close()
            self.stopped = self._panel.notices.taken()
        return found

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
        return self._panel.cost() if self._panel else None

    def _spreads(self, found: Calibration) -> dict[str, float]:
        """How far the votes on an answer lie apart, mean over those scored, by measure."""
        measures = {a.measure: a.benchmark for a in found.agreements}
        apart = {
            m: spreads([v for v in _verdicts(found) if v.case.benchmark == b], m)
            for m, b in measures.items()
        }
        return {m: sum(s) / len(s) for m, s in apart.items() if s}

    def _suits(self, benchmark: str) -> bool:
        if self._kind == "exact":
            return benchmark == "gsm8k"
        return self._kind != "lexical" or benchmark != "gsm8k"

    def _protocol(self) -> dict[str, Any]:
        if self._panel is None:
            return plain_protocol(self._kind)
        return {b: self._panel.described(self._kind, b) for b in BENCHMARKS if self._suits(b)}


def _verdicts(found: Calibration) -> list[Verdict]:
    return [pair.verdict for pair in found.pairs if pair.verdict is not None]
