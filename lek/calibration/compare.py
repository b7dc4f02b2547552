"""Run a judge on answers that already have verdicts.

It is not checked whether those verdicts are right, or whether several raters agree.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from lek.benchmarks.benchmark import Benchmark, Measure, shipped
from lek.calibration.agreement import Calibration, Pair
from lek.data import lem
from lek.data.cases import make_cases
from lek.data.recorded import RecordedResponses, read_responses
from lek.data.sources import file_of
from lek.data.tables import both, read_table, with_ids
from lek.errors import BadInput, suggestion
from lek.judges import reference
from lek.judges.judges import BenchmarkJudge, Judges, measures_for
from lek.judges.recorded import RecordedJudge
from lek.profile.loading import LoadedProfile, check_settings
from lek.profile.schema import JUDGE_KINDS
from lek.records import Case, Response, Verdict, make_verdict
from lek.stats.intervals import mean
from lek.stats.metrics import spreads
from lek.workspace.progress import Progress
from lek.workspace.workspace import Workspace

OURS = {"base_pt": "pretrained", "instruction_tuned": "base", "abliterated": "abliterated"}
OURS |= {"lem_ethics": "lek", "lem_ethics_allen": "lek-composure"}
_FORM = (
    '{"case": id, "subject": name, "measure": name, "score": number}, optionally '
    '"benchmark", "rater", "reason"'
)
# (benchmark, subject) -> case -> scores and reasons by measure
_Measures = Mapping[str, tuple[Measure, ...]]
_Given = dict[tuple[str, str], dict[str, tuple[dict[str, float | None], dict[str, str]]]]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    case: str
    subject: str
    measure: str
    score: Any
    benchmark: str | None = None
    rater: str | None = None
    reason: str | None = None


class _Data:
    """Cases and answers of a directory; ``models``: the recorded model name by subject."""

    def __init__(
        self, directory: Path, benchmarks: Sequence[Benchmark], measures: _Measures
    ) -> None:
        files = [f.stem for f in (directory / "results").glob("*.jsonl")]
        names = [*(b.name for b in benchmarks), *shipped()]
        models = {f[len(b) + 1 :] for b in names for f in files if f.startswith(f"{b}_")}
        ours = {m: n for m, n in OURS.items() if m in models and (m == n or n not in models)}
        self.models = {ours.get(m, m): m for m in (*ours, *sorted(models - {*ours}))}
        self.measures = measures
        self.cases: dict[str, dict[str, Case]] = {b.name: {} for b in benchmarks}
        self.answers: dict[tuple[str, str], RecordedResponses] = {}
        self.digests: dict[str, str] = {}
        self.notes: list[str] = []
        for benchmark in benchmarks:
            file, name = file_of(benchmark, directory), benchmark.name
            if file is None:
                continue
            table = read_table(file)
            self.digests[file.name] = table.digest
            self.cases[name] = known = {c.id: c for c in make_cases(table, benchmark)}
            for subject, model in self.models.items():
                path = lem.responses_file(directory, name, model)
                if path.is_file():
                    rows = with_ids(read_table(path))
                    self.digests[f"results/{path.name}"] = rows.digest
                    found = read_responses(rows, subject, benchmark=name, model=model, known=known)
                    self.answers[name, subject] = found
                    self.notes += found.notes


def calibrate(
    judge: Callable[[Case, Response], Verdict],
    directory: Path,
    benchmarks: Mapping[str, Benchmark],
    measures: Mapping[str, tuple[Measure, ...]],
    *,
    name: str,
    verdicts: Path | None = None,
    announce: Callable[[Case, Response], None] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Calibration:
    """The agreement of ``judge`` with the verdicts recorded for ``directory`` (LEM layout).

    ``measures``: those that the judge scores, by benchmark. ``name``: the judge's name in the
    output. ``verdicts``: a JSON Lines file, or a .json file in the published form (default: the one
    in the directory). ``announce``: called with each answer that has a verdict, before the first is
    judged. Raises `BadInput`.
    """
    chosen = [benchmarks[b] for b, found in measures.items() if found]
    file, data = _file(directory, verdicts), _Data(directory, chosen, measures)
    pairs = _pairs(data, (_published if file.suffix == ".json" else _rated)(file, data))
    asked = [i for i, p in enumerate(pairs) if {*p.recorded.values()} - {None} and p.response.text]
    if not asked:
        raise BadInput(f"{directory}: nothing to compare: no answer in results/ has a verdict")
    for i in asked:
        if announce is not None:
            announce(pairs[i].case, pairs[i].response)
    for n, i in enumerate(asked, 1):
        pairs[i] = replace(pairs[i], verdict=judge(pairs[i].case, pairs[i].response))
        if progress is not None:
            progress("judging", n, len(asked))
    notes = tuple(note.replace(f"{directory}/", "") for note in data.notes)
    return Calibration(
        judge=name,
        directory=directory.resolve().name,
        verdicts=file.name,
        digests=data.digests,
        resamples=resamples,
        seed=seed,
        measures=measures,
        pairs=tuple(pairs),
        notes=notes,
    )


def _pairs(data: _Data, given: _Given) -> list[Pair]:
    return [
        Pair(case, answers.respond(case), *given[key].get(case.id, ({}, {})))
        for key, answers in data.answers.items()
        if key in given
        for case in data.cases[key[0]].values()
    ]


def _file(directory: Path, given: Path | None) -> Path:
    published, rated = lem.scores_file(directory), directory / "verdicts.jsonl"
    if given is None and (both := published.is_file()) == rated.is_file():
        has, joint = ("contains both", "and") if both else ("contains neither", "nor")
        raise BadInput(
            f"{directory}: {has} {published.name} {joint} {rated.name}; choose one with --verdicts"
        )
    return given or (published if published.is_file() else rated)


def _published(path: Path, data: _Data) -> _Given:
    """The verdicts of a file such as ``standard_scores.json``."""
    scores, given = lem.read_scores(path), _Given()
    data.digests["verdicts"] = scores.digest
    for (benchmark, subject), answers in data.answers.items():
        model, cases = data.models[subject], data.cases[benchmark]
        if scores.of(benchmark, model):
            judge = RecordedJudge(scores, benchmark, {subject: model})
            data.notes += [n.replace(str(path), path.name) for n in judge.notes(set(cases))]
            measures = data.measures[benchmark]
            made = [judge(case, answers.respond(case), measures) for case in cases.values()]
            given[benchmark, subject] = {
                v.case.id: (v.scores, dict.fromkeys(v.scores, v.reason or "")) for v in made
            }
    return given


def _rated(path: Path, data: _Data) -> _Given:
    """The verdicts of a JSON Lines file; of several raters the mean."""
    ours = {m: s for s, m in data.models.items()}
    found: dict[tuple[str, ...], dict[str | None, tuple[str, float, str | None]]] = {}
    left: list[str] = []
    for place, row in _rows(path, data):
        where, subject = f"{path}: {place}", ours.get(row.subject, row.subject)
        benchmark = _benchmark_of(where, row, data)
        if benchmark is None:
            left.append(row.measure)
            continue
        case = data.cases[benchmark][_known(where, "case", row.case, data.cases[benchmark])]
        _known(where, "subject", subject, [s for b, s in data.answers if b == benchmark])
        answer = data.answers[benchmark, subject].respond(case)
        (measure,) = [m for m in data.measures[benchmark] if m.name == row.measure]
        verdict = make_verdict(case, answer, [measure], {row.measure: row.score}, judge="rated")
        if (value := verdict.scores[row.measure]) is None:
            fault = verdict.unscored[row.measure].text
            raise BadInput(f"{where}: {fault}; scores must be in {measure.scale}")
        by = found.setdefault((benchmark, subject, row.case, row.measure), {})
        if row.rater in by:
            raise BadInput(
                f"{path}: {both(by[row.rater][0], place)} score the same answer; keep one"
            )
        by[row.rater] = place, value, row.reason
    given = _Given()
    for (benchmark, subject, case_id, name), by in found.items():
        of = given.setdefault((benchmark, subject), {}).setdefault(case_id, ({}, {}))
        of[0][name] = mean([value for _, value, _ in by.values()])
        of[1][name] = "\n".join(reason for *_, reason in by.values() if reason)
    notes = [
        f"{left.count(m)} on {m} ignored: the judge does not score this measure"
        for m in dict.fromkeys(left)
    ]
    if (raters := len({r for by in found.values() for r in by})) > 1:
        notes.append(f"{raters} raters; several ratings of one answer are averaged")
    data.notes += [f"{path.name}: {note}" for note in notes]
    return given


def _benchmark_of(where: str, row: _Row, data: _Data) -> str | None:
    """The benchmark of a rating; ``None`` if its measure is not compared."""
    names = [
        b for b, measures in data.measures.items() if any(m.name == row.measure for m in measures)
    ]
    if not names:
        everything = {m for b in shipped().values() for m in b.measure_names}
        everything |= {m.name for measures in data.measures.values() for m in measures}
        _known(where, "measure", row.measure, everything)
        return None
    if row.benchmark is not None:
        return _known(where, "benchmark", row.benchmark, names)
    having = [b for b in names if row.case in data.cases[b]] if len(names) > 1 else names
    if len(having) > 1:
        raise BadInput(f'{where}: {", ".join(having)} measure {row.measure}; give "benchmark"')
    return having[0] if having else names[0]


def _known(where: str, key: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        hint = suggestion(value, known) or f"; there are {', '.join([*known][:8]) or 'none'}"
        raise BadInput(f"{where}: {key} is {value!r}: not in the data{hint}")
    return value


def _rows(path: Path, data: _Data) -> Iterator[tuple[str, _Row]]:
    table = read_table(path)
    data.digests["verdicts"] = table.digest
    for row in table.rows:
        try:
            yield row.place, msgspec.convert(row.fields, _Row, strict=not table.textual)
        except msgspec.ValidationError as e:
            of_run = {"response", "scores"} <= row.fields.keys()
            what = "a line of a run's own verdicts.jsonl, which has other keys" if of_run else e
            raise BadInput(f"{path}: {row.place}: {what}; expected {_FORM}") from e
    if table.torn is not None:
        data.notes.append(f"{path.name}: line {table.torn}: cut off; left out")


class CalibrationRun:
    """A comparison of the judge ``kind`` with the verdicts in ``directory``.

    Settings and benchmarks are those of the profile ``loaded``. ``most``: the maximum number of
    requests to an LLM judge. Raises `BadInput` if the judge is unknown, or its settings, key or
    library are missing.
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
            hint = suggestion(kind, kinds) or f"; one of {', '.join(kinds)}"
            raise BadInput(f"--judge {kind}: no such judge{hint}")
        if most is not None and most < 0:
            raise BadInput(f"--max-judge-calls {most}: must be 0 or more")
        self._loaded, self._kind, self._directory = loaded, kind, directory
        self._progress = Progress()
        check_settings(f"--judge {kind}", loaded.path, loaded.profile, kind)
        workspace = Workspace(Path(".lek"), self._progress, calls=most)
        self._judges = Judges(loaded, directory, workspace)
        self._judges.check_kind(kind)
        self._measures = {b: measures_for(kind, each) for b, each in loaded.benchmarks.items()}
        self._judge = self._judges.judge(kind)
        self.stopped: list[str] = []

    def run(self, verdicts: Path | None) -> Calibration:
        """Judge every answer that has a verdict, and compare; ``verdicts`` as in `calibrate`."""
        with self._progress.steps(f"{self._kind} judge") as progress:
            found = calibrate(
                lambda case, response: self._judge(case, response, self._of(case)),
                self._directory,
                self._loaded.benchmarks,
                self._measures,
                name=self._kind,
                verdicts=verdicts,
                announce=self._queue,
                progress=progress,
            )
        self._judges.close()
        self.stopped = self._judges.notices.taken()
        return found

    def _queue(self, case: Case, response: Response) -> None:
        judge = BenchmarkJudge(
            self._loaded.benchmarks[case.benchmark], [(self._judge, self._of(case))]
        )
        self._judges.probe([(judge, case, response)])
        judge.queue(case, response)

    def _of(self, case: Case) -> list[Measure]:
        """The measures that the judge scores for ``case``."""
        measures = [m for m in self._measures[case.benchmark] if m.applies_to(case.reference)]
        if self._kind == "reference":
            reference.check(case, measures, f"{self._directory}: {case.benchmark}")
        return measures

    def incomplete(self, found: Calibration) -> bool:
        """Whether answers are pending, or none could be compared."""
        pending = any(verdict.pending for verdict in _verdicts(found))
        return pending or not any(a.n for a in found.agreements)

    def cost(self) -> dict[str, Any] | None:
        """The cost of an LLM judge; ``None`` for other judges."""
        return self._judges.cost()

    def spreads(self, found: Calibration) -> dict[str, float]:
        """Largest minus smallest vote by measure, mean over the scored answers."""
        apart = {
            a.measure: spreads(
                [v for v in _verdicts(found) if v.case.benchmark == a.benchmark], a.measure
            )
            for a in found.agreements
        }
        return {m: sum(s) / len(s) for m, s in apart.items() if s}

    def protocol(self) -> dict[str, Any]:
        """The judge's measures, digest and settings by benchmark."""
        benchmarks = [b for b in self._loaded.benchmarks.values() if self._measures[b.name]]
        return {b.name: self._judges.described(self._kind, b) for b in benchmarks}


def _verdicts(found: Calibration) -> list[Verdict]:
    return [pair.verdict for pair in found.pairs if pair.verdict is not None]
