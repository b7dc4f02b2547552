"""A judge and a directory with recorded verdicts -> how well the two agree, measure by measure.

What is not covered: whether the recorded verdicts are right. An answer that either side left
unscored is counted and left out.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lek.agreement import Agreement, Disagreement, kappa, same_order, spearman, subject_means
from lek.backends.recorded import read_answers
from lek.cases import read_cases
from lek.judges.recorded import RecordedJudge
from lek.lem import Scores, answers_file, cases_file, read_rows, read_scores, scores_file
from lek.measures import BENCHMARKS
from lek.records import BadInput, Case, Response, Verdict
from lek.scoring import unscored

Judge = Callable[[Case, Response], Verdict]
Progress = Callable[[str, int, int], None]
_CUT = 160  # characters


@dataclass(frozen=True)
class Calibration:
    """The agreement on each measure, and the name of the judge that was calibrated."""

    judge: str
    directory: Path
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class _Pair:
    recorded: Verdict
    judged: Verdict

    def scores(self, measure: str) -> tuple[float, float] | None:
        """What both sides gave, or ``None`` where one gave nothing."""
        recorded, judged = self.recorded.scores[measure], self.judged.scores[measure]
        return None if recorded is None or judged is None else (recorded, judged)


def calibrate(
    judge: Judge,
    directory: Path,
    *,
    subjects: Mapping[str, str] | None = None,
    benchmarks: Sequence[str] | None = None,
    worst: int = 3,
    resamples: int = 1_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """The agreement of ``judge`` with the verdicts recorded in ``directory`` (LEM layout).

    ``subjects`` maps our names to recorded ones (default: every recorded model, as it is called);
    ``benchmarks`` defaults to all but gsm8k, which has a number to compare. ``worst`` is how many
    disagreements are kept per measure. Raises `BadInput` when there is nothing to compare.
    """
    scores = read_scores(scores_file(directory))
    found: list[Agreement] = []
    name = ""
    for benchmark in benchmarks or [b for b in BENCHMARKS if b != "gsm8k"]:
        if benchmark not in BENCHMARKS:
            raise BadInput(f"{benchmark}: no such benchmark; one of {', '.join(BENCHMARKS)}")
        if not cases_file(directory, benchmark).is_file():
            continue
        pairs = list(_pairs(judge, directory, scores, benchmark, subjects, progress))
        name = pairs[0].judged.judge if pairs else name
        for measure in BENCHMARKS[benchmark].measures if pairs else ():
            found.append(
                _agreement(benchmark, measure, pairs, worst=worst, resamples=resamples, seed=seed)
            )
    if not found:
        raise BadInput(
            f"{directory}: nothing to compare; expected cases, answers in results/ and verdicts "
            f"in {scores.path.name} of the same benchmark and model"
        )
    return Calibration(name, directory, tuple(found))


def _pairs(
    judge: Judge,
    directory: Path,
    scores: Scores,
    benchmark: str,
    subjects: Mapping[str, str] | None,
    progress: Progress | None,
) -> Iterator[_Pair]:
    recorded = scores.scores.get(benchmark)
    named = subjects or {m: m for m in (recorded if isinstance(recorded, dict) else ())}
    models = {s: m for s, m in named.items() if answers_file(directory, benchmark, m).is_file()}
    models = {s: m for s, m in models.items() if scores.of(benchmark, m)}
    _, cases = read_cases(directory, benchmark)
    record = RecordedJudge(scores, benchmark, models)
    for i, (subject, model) in enumerate(models.items()):
        rows = read_rows(answers_file(directory, benchmark, model))
        known = {c.id for c in cases}
        answers = read_answers(rows, subject, benchmark=benchmark, model=model, known=known)
        for j, case in enumerate(cases, 1):
            response = answers.respond(case)
            if response.text is None:
                none = unscored(case, response, response.reason or "no response", judge="none")
                yield _Pair(record(case, response), none)
            else:
                yield _Pair(record(case, response), judge(case, response))
            if progress is not None:
                progress(f"judging {benchmark}", i * len(cases) + j, len(models) * len(cases))


def _agreement(
    benchmark: str, measure: str, pairs: list[_Pair], *, worst: int, resamples: int, seed: int
) -> Agreement:
    both = [(p, s) for p in pairs if (s := p.scores(measure)) is not None]
    recorded, judged = [s[0] for _, s in both], [s[1] for _, s in both]
    unrecorded = sum(p.recorded.scores[measure] is None for p in pairs)
    ids = [p.judged.case.id for p, _ in both]
    rho = spearman(ids, recorded, judged, resamples=resamples, seed=seed)
    names = list(dict.fromkeys(p.judged.response.subject for p in pairs))
    means = subject_means(names, [p.judged.response.subject for p, _ in both], recorded, judged)
    apart = sorted(both, key=lambda b: -abs(b[1][1] - b[1][0]))[:worst]
    return Agreement(
        benchmark=benchmark,
        measure=measure,
        n=len(both),
        unrecorded=unrecorded,
        unjudged=len(pairs) - unrecorded - len(both),
        spearman=rho.rho,
        low=rho.low,
        high=rho.high,
        kappa=kappa(recorded, judged),
        means=means,
        same_order=same_order(means),
        worst=tuple(_disagreement(p, *s) for p, s in apart if s[0] != s[1]),
    )


def _disagreement(pair: _Pair, recorded: float, judged: float) -> Disagreement:
    case, response = pair.judged.case, pair.judged.response
    return Disagreement(
        subject=response.subject,
        case=case.id,
        recorded=recorded,
        judged=judged,
        prompt=_cut(case.prompt),
        answer=_cut(response.text or ""),
        reason=_cut(pair.judged.reason or ""),
    )


def _cut(text: str) -> str:
    seen = "".join(c if c.isprintable() else " " for c in text)  # not what steers a terminal
    return textwrap.shorten(seen, _CUT, placeholder=" ...")


def lines(result: Calibration, width: int = 80) -> list[str]:
    """``result`` for a terminal: a block per measure, no line longer than ``width``."""
    shown = [f"judge {result.judge} against the verdicts of {result.directory}"]
    for agreement in result.agreements:
        shown += ["", *_block(agreement)]
    return [
        part
        for line in shown
        for part in (textwrap.wrap(line, width, subsequent_indent="      ") or [""])
    ]


def _block(a: Agreement) -> list[str]:
    text = BENCHMARKS[a.benchmark].text
    left = [
        f"{n} {what}" for n, what in ((a.unrecorded, "unrecorded"), (a.unjudged, "unjudged")) if n
    ]
    counts = f"n={a.n}" + (f", left out: {', '.join(left)}" if left else "")
    interval = "" if a.low is None or a.high is None else f" [{a.low:.2f}, {a.high:.2f}]"
    block = [
        f"{a.benchmark}.{a.measure}  {counts}",
        f"  Spearman {_number(a.spearman)}{interval}  weighted kappa {_number(a.kappa)}",
    ]
    for m in a.means:
        longest = max(len(other.subject) for other in a.means)
        recorded = "-" if m.recorded is None else text(m.recorded)
        judged = "-" if m.judged is None else text(m.judged)
        name = f"{m.subject:<{longest}}"
        block.append(f"  {name}  recorded {recorded:>6}  judge {judged:>6}  n={m.n}")
    if a.same_order is not None:
        block.append(f"  order of subjects: {'the same' if a.same_order else 'NOT the same'}")
    for d in a.worst:
        block += [
            f"  apart: {d.subject} {d.case}: recorded {d.recorded:g}, judge {d.judged:g}",
            f"    asked: {d.prompt}",
            f"    said: {d.answer}",
            f"    judge: {d.reason}",
        ]
    return block


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
