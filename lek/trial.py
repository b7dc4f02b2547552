"""A profile, a kind of judge and data with verdicts -> the judge on trial, and what came out."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from lek.agreement import Calibration
from lek.answers import Workshop
from lek.calibrate import calibrate
from lek.checks import suggestion
from lek.docket import Docket
from lek.judging import Judges
from lek.measures import BENCHMARKS
from lek.plain import PLAIN, plain_judge, plain_protocol
from lek.profile import JudgeKind
from lek.profiles import LoadedProfile
from lek.progress import Progress
from lek.records import BadInput
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
        if loaded.profile.judges.settings(self._kind) is None:
            also = "base_url and " if self._kind == "openai" else ""
            raise BadInput(
                f"--judge {self._kind}: {loaded.path} has no table [judges.{self._kind}]; add one "
                f"with {also}model, or give --profile"
            )
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

    def lines(self, found: Calibration) -> list[str]:
        """The result for a terminal of 80 columns."""
        return report.lines(found)

    def document(self, found: Calibration) -> str:
        """The result as JSON."""
        whole = report.document(found, self._protocol())
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def page(self, found: Calibration) -> str:
        """The result as a page of HTML."""
        return report.page(found, self._protocol())

    def _suits(self, benchmark: str) -> bool:
        if self._kind == "exact":
            return benchmark == "gsm8k"
        return self._kind != "lexical" or benchmark != "gsm8k"

    def _protocol(self) -> dict[str, Any]:
        if self._panel is None:
            return plain_protocol(self._kind)
        return {b: self._panel.described(self._kind, b) for b in BENCHMARKS if self._suits(b)}
