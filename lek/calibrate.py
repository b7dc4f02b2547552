"""A judge and a directory with recorded verdicts -> how well the two agree, measure by measure.

Not covered: whether what is recorded is right, and whether several raters agree.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from lek import lem
from lek.agreement import Calibration, Pair
from lek.backends.recorded import Recorded, read_answers
from lek.cases import read_cases
from lek.checks import suggestion
from lek.intervals import mean
from lek.judges.recorded import RecordedJudge
from lek.measures import BENCHMARKS
from lek.records import BadInput, Case, Response, Verdict
from lek.scoring import score

OURS = {"base_pt": "pretrained", "instruction_tuned": "base", "abliterated": "abliterated"}
OURS |= {"lem_ethics": "lek", "lem_ethics_allen": "lek-composure"}
_BENCHMARK = {m: b.name for b in BENCHMARKS.values() for m in b.measures}
_FORM = '{"case": id, "subject": name, "measure": name, "score": number}, at will "rater", "reason"'
# (benchmark, subject) -> case -> scores and reasons by measure
_Given = dict[tuple[str, str], dict[str, tuple[dict[str, float | None], dict[str, str]]]]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    case: str
    subject: str
    measure: str
    score: Any
    rater: str | None = None
    reason: str | None = None


class _Data:
    """Cases and answers of a directory; ``models`` maps our names to recorded ones."""

    def __init__(self, directory: Path, benchmarks: Sequence[str]) -> None:
        files = [f.stem for f in (directory / "results").glob("*.jsonl")]
        models = {f[len(b) + 1 :] for b in BENCHMARKS for f in files if f.startswith(f"{b}_")}
        names = {m: n for m, n in OURS.items() if m in models and (m == n or n not in models)}
        self.models = {names.get(m, m): m for m in (*names, *sorted(models - {*names}))}
        self.cases: dict[str, dict[str, Case]] = {b: {} for b in benchmarks}
        self.answers: dict[tuple[str, str], Recorded] = {}
        self.digests: dict[str, str] = {}
        self.notes: list[str] = []
        for benchmark in (b for b in benchmarks if lem.cases_file(directory, b).is_file()):
            rows, cases = read_cases(directory, benchmark)
            self.digests[rows.path.name] = rows.digest
            self.cases[benchmark] = known = {c.id: c for c in cases}
            for ours, model in self.models.items():
                path = lem.answers_file(directory, benchmark, model)
                if path.is_file():
                    rows = lem.read_rows(path)
                    self.digests[f"results/{path.name}"] = rows.digest
                    found = read_answers(rows, ours, benchmark=benchmark, model=model, known=known)
                    self.answers[benchmark, ours] = found
                    self.notes += found.notes


def calibrate(
    judge: Callable[[Case, Response], Verdict],
    directory: Path,
    *,
    verdicts: Path | None = None,
    benchmarks: Sequence[str] | None = None,
    announce: Callable[[Case, Response], None] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Calibration:
    """The agreement of ``judge`` with the verdicts recorded for ``directory`` (LEM layout).

    ``verdicts`` (default: what the directory has) is JSON Lines, or .json as the published file.
    ``benchmarks`` defaults to all but gsm8k, which has a number to compare. Only what has a verdict
    is judged; ``announce`` hears of all of that before the first is. Raises `BadInput`.
    """
    chosen = benchmarks or [b for b in BENCHMARKS if b != "gsm8k"]
    if strangers := [b for b in chosen if b not in BENCHMARKS]:
        raise BadInput(f"{strangers[0]}: no such benchmark; one of {', '.join(BENCHMARKS)}")
    file, data = _file(directory, verdicts), _Data(directory, chosen)
    pairs = _pairs(data, (_published if file.suffix == ".json" else _rated)(file, data))
    asked = [i for i, p in enumerate(pairs) if {*p.recorded.values()} - {None} and p.response.text]
    if not asked:
        raise BadInput(f"{directory}: nothing to compare: no answer in results/ has a verdict")
    for i in asked:
        if announce is not None:
            announce(pairs[i].case, pairs[i].response)
    for n, i in enumerate(asked, 1):
        verdict = judge(pairs[i].case, pairs[i].response)
        pairs[i] = replace(pairs[i], verdict=verdict)
        if progress is not None:
            progress("judging", n, len(asked))
    names = verdict.judge, directory.resolve().name, file.name
    notes = tuple(note.replace(f"{directory}/", "") for note in data.notes)
    return Calibration(*names, data.digests, resamples, seed, tuple(pairs), notes)


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
        has = "has both" if both else "lacks both"
        raise BadInput(
            f"{directory}: {has} {published.name} and {rated.name}; give --verdicts FILE"
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
            made = [judge(case, answers.respond(case)) for case in cases.values()]
            given[benchmark, subject] = {
                v.case.id: (v.scores, dict.fromkeys(v.scores, v.reason or "")) for v in made
            }
    return given


def _rated(path: Path, data: _Data) -> _Given:
    """The verdicts of a JSON Lines file: the mean where there are several raters."""
    ours = {m: s for s, m in data.models.items()}
    found: dict[tuple[str, ...], dict[str | None, tuple[int, float, str | None]]] = {}
    left: list[str] = []
    for line, row in _rows(path, data):
        where, subject = f"{path}: line {line}", ours.get(row.subject, row.subject)
        benchmark = _BENCHMARK[_known(where, "measure", row.measure, _BENCHMARK)]
        if benchmark not in data.cases:
            left.append(benchmark)
            continue
        case = data.cases[benchmark][_known(where, "case", row.case, data.cases[benchmark])]
        _known(where, "subject", subject, [s for b, s in data.answers if b == benchmark])
        answer = data.answers[benchmark, subject].respond(case)
        verdict = score(case, answer, {row.measure: row.score}, judge="rated")
        if (value := verdict.scores[row.measure]) is None:
            scale = BENCHMARKS[benchmark].scale
            raise BadInput(f"{where}: {verdict.unscored[row.measure]}; a score is on {scale}")
        by = found.setdefault((benchmark, subject, row.case, row.measure), {})
        if row.rater in by:
            raise BadInput(f"{path}: lines {by[row.rater][0]} and {line} score the same; keep one")
        by[row.rater] = line, value, row.reason
    given = _Given()
    for (benchmark, subject, case_id, measure), by in found.items():
        of = given.setdefault((benchmark, subject), {}).setdefault(case_id, ({}, {}))
        of[0][measure] = mean([value for _, value, _ in by.values()])
        of[1][measure] = "\n".join(reason for *_, reason in by.values() if reason)
    notes = [f"{left.count(b)} on {b} left out: not asked for" for b in dict.fromkeys(left)]
    if (raters := len({r for by in found.values() for r in by})) > 1:
        notes.append(f"{raters} raters; where several judged one answer, the mean counts")
    data.notes += [f"{path.name}: {note}" for note in notes]
    return given


def _known(where: str, key: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        hint = suggestion(value, known) or f"; there are {', '.join([*known][:8]) or 'none'}"
        raise BadInput(f"{where}: {key} is {value!r}: not among those of the data{hint}")
    return value


def _rows(path: Path, data: _Data) -> Iterator[tuple[int, _Row]]:
    raw = lem.read_bytes(path)
    data.digests["verdicts"] = sha256(raw).hexdigest()
    texts = raw.split(b"\n")
    for n, text in enumerate(texts, 1):
        try:
            if text.strip():
                fields = json.loads(text, object_pairs_hook=lem.keep_repeats)
                yield n, msgspec.convert(fields, _Row)
        except msgspec.ValidationError as e:
            of_run = isinstance(fields, dict) and {"response", "scores"} <= fields.keys()
            what = "a line of a run's own verdicts.jsonl, which has other keys" if of_run else e
            raise BadInput(f"{path}: line {n}: {what}; expected {_FORM}") from e
        except (ValueError, RecursionError) as e:
            if n < len(texts):
                raise BadInput(f"{path}: line {n}: not JSON: {lem.fault(e)}; mend it") from e
            data.notes.append(f"{path.name}: line {n}: cut off; left out")
