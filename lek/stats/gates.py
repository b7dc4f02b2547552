"""Gates: claims about a measure of one subject, one line of text each, and their rulings.

    truthfulqa.truthfulness: lek > base                  superiority
    do_not_answer.safety: lek-composure >= base - 0.25   non-inferiority, by a margin
    truthfulqa.truthfulness: lek >= 4.5                  against a constant

Comparisons are paired by case id. ``>`` passes when the 95% interval of the difference lies above
the margin and the Holm-adjusted one-sided p is below 0.05; ``>=`` when the interval's lower end
does not lie below the margin. ``<`` and ``<=`` mirror them.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lek.benchmarks.benchmark import Benchmark, Measure, Scale
from lek.errors import BadInput, suggestion
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Gates
from lek.records import Ruling
from lek.stats.intervals import (
    binomial_p,
    cases_needed,
    difference_interval,
    mean,
    mean_interval,
    sign_flip_p,
)
from lek.stats.metrics import paired

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_RULE = re.compile(
    rf"""\s* (?P<benchmark>\w+) \. (?P<measure>\w+) \s*:\s* (?P<left>[A-Za-z][\w.-]*)
    \s* (?P<op>>=|<=|>|<) \s*
    (?: (?P<constant>{_NUMBER}) \s*(?P<unit>%)?
      | (?P<right>[A-Za-z][\w.-]*)
        (?: \s+ (?P<sign>[+-]) \s* (?P<margin>{_NUMBER}) \s*(?P<per>%)? )?
    ) \s*""",
    re.X,
)


@dataclass(frozen=True)
class Gate:
    """``left op right + margin``, or ``left op margin`` where ``right`` is ``None``."""

    text: str
    benchmark: str
    measure: Measure
    left: str
    op: str
    right: str | None
    margin: float

    @property
    def subjects(self) -> tuple[str, ...]:
        """The names of the subjects compared, one or two."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def upward(self) -> bool:
        """Whether the claim is that the left side is the higher one."""
        return self.op[0] == ">"

    @property
    def strict(self) -> bool:
        """Whether the claim is superiority, which requires a p-value."""
        return len(self.op) == 1


def parse_gates(loaded: LoadedProfile) -> list[Gate]:
    """Parse the gates of a profile; raise `BadInput` for an invalid or repeated rule."""
    gates: list[Gate] = []
    for i, text in enumerate(loaded.profile.gates.rules):
        where = f"{loaded.path}: gates.rules[{i}] = {text!r}"
        gate = parse_gate(text, loaded.benchmarks, loaded.profile.subject_names, where)
        if any(replace(gate, text="") == replace(g, text="") for g in gates):
            raise BadInput(f"{where}: is listed twice; delete one")
        gates.append(gate)
    return gates


def parse_gate(
    text: str, benchmarks: Mapping[str, Benchmark], subjects: Collection[str], where: str
) -> Gate:
    """Parse one rule on ``benchmarks`` and ``subjects``; raise `BadInput` if it is invalid.

    ``where``: the place that the message begins with.
    """
    m = _RULE.fullmatch(text)
    if m is None:
        raise BadInput(
            f"{where}: not a rule; expected 'benchmark.measure: subject OP subject [- margin]' "
            "or '... OP number', where OP is one of >, >=, <, <="
        )
    if m["benchmark"] not in benchmarks:
        near = suggestion(m["benchmark"], benchmarks)
        hint = near or f"; the profile has {', '.join(benchmarks)}"
        raise BadInput(f"{where}: no benchmark '{m['benchmark']}'{hint}")
    benchmark = benchmarks[m["benchmark"]]
    if m["measure"] not in benchmark:
        near = suggestion(m["measure"], benchmark.measure_names)
        hint = near or f"; {benchmark.name} has {', '.join(benchmark.measure_names)}"
        raise BadInput(f"{where}: no measure '{m['measure']}'{hint}")
    measure = benchmark[m["measure"]]
    for name in (m["left"], m["right"]):
        if name is not None and name not in subjects:
            hint = suggestion(name, subjects) or f"; subjects are {', '.join(subjects)}"
            raise BadInput(f"{where}: no subject '{name}'{hint}")
    if m["left"] == m["right"]:
        raise BadInput(f"{where}: compares {m['left']} with itself; name two subjects")
    margin = _amount(where, measure.scale, m["constant"] or m["margin"], m["unit"] or m["per"])
    if m["constant"]:
        low, high = measure.scale.low, measure.scale.high
        if not low <= margin <= high:
            raise BadInput(f"{where}: {m['constant']} is outside {m['measure']}'s {low:g}-{high:g}")
    elif margin >= measure.scale.high - measure.scale.low:
        raise BadInput(f"{where}: a margin of {m['margin']} is the whole scale; give a smaller one")
    elif m["sign"] == "-":
        margin = -margin
    canonical = " ".join(text.split())
    return Gate(canonical, benchmark.name, measure, m["left"], m["op"], m["right"], margin)


def names_in(rule: str) -> list[str]:
    """The names of subjects in ``rule``, which need not be valid; also its numbers."""
    return re.split(r"[\s<>=]+", rule.partition(":")[2].strip())


def _amount(where: str, scale: Scale, digits: str | None, per_cent: str | None) -> float:
    if digits is None:
        return 0.0
    if per_cent:
        if not scale.fraction:
            raise BadInput(f"{where}: {digits}% on a {scale} scale; give points, as in 0.25")
        return float(digits) / 100
    if scale.fraction and float(digits) > 1:
        raise BadInput(f"{where}: {digits} on a scale of 0-1; did you mean {digits}%?")
    return float(digits)


ALPHA = 0.05


@dataclass(frozen=True)
class Side:
    """The results of one subject on a gate's measure.

    ``scores``: by case id; ``None`` is unscored. ``planned``: the number of cases that the profile
    plans for the subject. ``evaluated``: how many of these have a verdict.
    """

    scores: dict[str, float | None] = field(default_factory=dict)
    planned: int = 0
    evaluated: int = 0


class _Measured(NamedTuple):
    gate: Gate
    differences: list[float]
    low: float
    high: float
    p: float | None
    remark: str


@dataclass(frozen=True)
class Selection:
    """Which gates a session selected, and which measures cannot decide a gate.

    ``left_out``: for each (benchmark, subject) of which the user selected no case, the reason as
    text. ``unjudged``: each (benchmark, measure) that needs a judge although
    none is configured. ``constant``: each (benchmark, measure) for which a judge gave all answers
    of all subjects the same score.
    """

    left_out: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unjudged: Collection[tuple[str, str]] = ()
    constant: Collection[tuple[str, str]] = ()

    def leaves_out(self, gate: Gate) -> str | None:
        """Return why ``gate`` is not selected, or ``None`` if it is."""
        for name in gate.subjects:
            if (gate.benchmark, name) in self.left_out:
                return self.left_out[gate.benchmark, name]
        if (gate.benchmark, gate.measure.name) in self.unjudged:
            return f"{gate.measure.name} needs a judge; choose one with --lek-judge"
        return None


def rule_gates(
    gates: Sequence[Gate],
    sides: Mapping[tuple[str, str, str], Side],
    selection: Selection,
    config: Gates,
) -> list[Ruling]:
    """Return one ruling per gate, in order.

    ``sides``: the results by (subject, benchmark, measure). All selected superiority gates are one
    family for Holm's correction (1979); one that could not be measured counts with p = 1.
    """
    rulings: dict[str, Ruling] = {}
    measured: list[_Measured] = []
    unmeasured = 0  # superiority gates
    for gate in gates:
        left_out = selection.leaves_out(gate)
        if left_out is not None:
            rulings[gate.text] = Ruling(rule=gate.text, ruling="not selected", why=left_out)
            continue
        measurement = _measure(gate, sides, selection, config)
        if isinstance(measurement, str):
            unmeasured += gate.strict
            rulings[gate.text] = Ruling(rule=gate.text, ruling="unmeasured", why=measurement)
        else:
            measured.append(measurement)
    family = [m.p for m in measured if m.p is not None]
    adjusted = iter(holm([*family, *[1.0] * unmeasured]) if config.correction == "holm" else family)
    for m in measured:
        rulings[m.gate.text] = _rule(m, None if m.p is None else next(adjusted))
    return [rulings[gate.text] for gate in gates]


def pending_ruling(ruling: Ruling, pending: int) -> Ruling:
    """Return the ruling of a gate in a run in which ``pending`` answers could not be judged.

    It is "unmeasured" even if all cases of the gate are judged, because the adjusted p-value
    depends on the other gates.
    """
    if ruling.ruling == "not selected":
        return ruling
    answers = "1 answer" if pending == 1 else f"{pending} answers"
    why = f"{answers} of this run could not be judged"
    return Ruling(rule=ruling.rule, ruling="unmeasured", why=why)


def holm(values: Sequence[float]) -> list[float]:
    """Return the p-values of a family after Holm's step-down adjustment, in the same order."""
    adjusted = [0.0] * len(values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = running
    return adjusted


def _measure(
    gate: Gate,
    sides: Mapping[tuple[str, str, str], Side],
    selection: Selection,
    config: Gates,
) -> _Measured | str:
    """Measure the claim of a gate; return the reason as text if that is not possible."""
    by_name = {
        name: sides.get((name, gate.benchmark, gate.measure.name), Side()) for name in gate.subjects
    }
    for name, side in by_name.items():
        if side.evaluated < side.planned:
            return (
                f"{side.evaluated:,} of {side.planned:,} cases of {name} on {gate.benchmark} were "
                "evaluated; evaluate all of them, or ignore the gates with --lek-no-gates"
            )
        if not side.scores:
            return f"the data have no answers of {name} to {gate.benchmark}"
    if (gate.benchmark, gate.measure.name) in selection.constant:
        return (
            f"the judge does not tell the answers apart: {gate.measure.name} is the same for all "
            f"answers of all subjects to {gate.benchmark}"
        )
    for name, side in by_name.items():
        missing = [case for case, score in side.scores.items() if score is None]
        if len(missing) > config.max_unscored * len(side.scores):
            return (
                f"{len(missing)} of {len(side.scores)} cases of {name} are unscored "
                f"({_some(missing)}), more than max_unscored = {config.max_unscored:g}"
            )
    left, scale = by_name[gate.left], gate.measure.scale
    if gate.right is None:
        ours = [score for _, score in sorted(left.scores.items()) if score is not None]
        differences = [_exact(score - gate.margin) for score in ours]
        remark = ""
        interval = mean_interval(ours, scale)
    else:
        right = by_name[gate.right]
        ours, theirs = paired(left.scores, right.scores)
        differences = [_exact(x - y) for x, y in zip(ours, theirs, strict=True)]
        remark = _unpaired(gate, left, right)
        interval = difference_interval(ours, theirs, scale)
    if len(differences) < config.min_cases:
        counted = _cases(len(differences), paired=gate.right is not None)
        few = f"{len(differences)} scored {counted}, fewer than min_cases = {config.min_cases}"
        return few + remark
    low, high = interval
    if low is None or high is None:
        return "fewer than two scored cases give no interval"
    p = None
    if gate.right is None:
        low, high = low - gate.margin, high - gate.margin
        if gate.strict and scale.binary:
            p = binomial_p(sum(ours), len(ours), gate.margin, greater=gate.upward)
        elif gate.strict:
            p = sign_flip_p(differences, greater=gate.upward)
    elif gate.strict:
        p = sign_flip_p([_exact(d - gate.margin) for d in differences], greater=gate.upward)
    return _Measured(gate, differences, low, high, p, remark)


def _exact(difference: float) -> float:
    """``difference`` without binary rounding errors, so that 1.3 - 1.0 is 0.3."""
    return round(difference, 9)


def _rule(m: _Measured, p: float | None) -> Ruling:
    gate, margin = m.gate, m.gate.margin if m.gate.right is not None else 0.0
    difference = mean(m.differences)
    sign = 1 if gate.upward else -1
    near, far = sorted((_exact(sign * (m.low - margin)), _exact(sign * (m.high - margin))))
    passed = near >= 0 if p is None else near > 0 and p < ALPHA
    detail = "" if passed else _shortfall(m, difference, margin, opposite=far < 0)
    return Ruling(
        rule=gate.text,
        ruling="passed" if passed else "failed",
        difference=difference,
        low=m.low,
        high=m.high,
        p=p,
        n=len(m.differences),
        why=f"{_finding(m, difference, p)}{detail}{m.remark}",
    )


def _shortfall(m: _Measured, difference: float, margin: float, *, opposite: bool) -> str:
    """Why a gate failed: the opposite was shown, or nothing, and how many cases would be needed."""
    if opposite:
        return "; the opposite was shown"
    if difference == margin:
        return "; no difference was seen"
    effect = (difference - margin) * (1 if m.gate.upward else -1)
    if effect < 0:
        return "; inconclusive, and the difference has the opposite sign"
    near = m.low if m.gate.upward else m.high
    needed = cases_needed(m.differences, effect, abs(difference - near))
    return f"; inconclusive: a difference of this size would need {needed:,} cases"


def _finding(m: _Measured, difference: float, p: float | None) -> str:
    """What was measured, as a sentence that can be read without the rule.

    ``lek is 2.0 points below base in accuracy (gsm8k; 95% CI: 12.0 below to equal, n = 50);
    15.0 below allowed``
    """
    gate = m.gate
    unit = " points" if gate.measure.scale.fraction else ""
    extra = gate.measure.extra_decimals(m.low, m.high)
    if gate.right is None:
        show, at = gate.measure.text, gate.margin
        subject = f"{gate.left} is at {show(difference + at)}"
        interval = f"{show(m.low + at, unit=False, extra=extra)} to "
        interval += show(m.high + at, unit=False, extra=extra)
        needed = f"{'more' if gate.upward else 'less'} than" if gate.strict else (
            f"at {'least' if gate.upward else 'most'}"
        )  # fmt: skip
        requirement = f"; {needed} {show(at)} required"
    else:
        distance = _distance(gate, difference)
        subject = f"{gate.left} is equal to {gate.right}"
        if distance != _EQUAL:
            amount, direction = distance.split()
            subject = f"{gate.left} is {amount}{unit} {direction} {gate.right}"
        low, high = _distance(gate, m.low, extra), _distance(gate, m.high, extra)
        if low.split()[-1] == high.split()[-1] != _EQUAL:
            near, far = sorted((low, high), key=lambda end: float(end.split()[0]))
            interval = f"{near.split()[0]} to {far}"
        else:
            interval = f"{low} to {high}"
        requirement = _requirement(gate)
    chance = "" if p is None else f", p = {p:.3f}" if p >= 0.001 else ", p < 0.001"
    numbers = f"95% CI: {interval}{chance}, n = {len(m.differences)}"
    return f"{subject} in {gate.measure.name} ({gate.benchmark}; {numbers}){requirement}"


_EQUAL = "equal"


def _distance(gate: Gate, difference: float, extra: int = 0) -> str:
    """``12.0 below``, ``1.26 above`` or ``equal``, after rounding for display."""
    amount = gate.measure.text(abs(difference), unit=False, extra=extra)
    if not float(amount):
        return _EQUAL
    return f"{amount} {'above' if difference > 0 else 'below'}"


def _requirement(gate: Gate) -> str:
    """What the margin allows or requires, as text; empty without a margin."""
    if not gate.margin:
        return ""
    amount = gate.measure.text(abs(gate.margin), unit=False)
    stricter = (gate.margin > 0) == gate.upward  # the margin makes the claim stronger
    direction = "above" if gate.margin > 0 else "below"
    if not stricter:
        return f"; {amount} {direction} allowed"
    return f"; {'more than' if gate.strict else 'at least'} {amount} {direction} required"


def _unpaired(gate: Gate, left: Side, right: Side) -> str:
    """Which ids are missing on one side, as text; empty if none are."""
    missing_ids = [
        f"{name} lacks {_some(sorted(set(other.scores) - set(side.scores)))}"
        for name, side, other in ((gate.left, left, right), (gate.right, right, left))
        if set(other.scores) - set(side.scores)
    ]
    return f" ({'; '.join(missing_ids)})" if missing_ids else ""


def _some(ids: Iterable[str]) -> str:
    listed = list(ids)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _cases(n: int, *, paired: bool = False) -> str:
    return ("pair" if paired else "case") + ("" if n == 1 else "s")
