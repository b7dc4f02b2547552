"""(Gate, scores of both sides by case) -> Ruling: open, shut, unmeasured or not asked.

Comparisons are paired by case id. ``>`` is open when the 95% interval of the difference lies above
the margin and the Holm-adjusted one-sided p is below 0.05; ``>=`` when the interval's lower end
does not lie below the margin. ``<`` and ``<=`` mirror them.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lek.benchmarks.benchmark import Measure, Scale
from lek.errors import BadInput, suggestion
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Gates
from lek.records import Ruling
from lek.stats.intervals import binomial_p, cases_needed, mean, mean_interval, sign_flip_p
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
    def upward(self) -> bool:
        """Whether the left side is claimed to be the higher one."""
        return self.op[0] == ">"

    @property
    def strict(self) -> bool:
        """Whether this is a claim of superiority, which needs a p-value."""
        return len(self.op) == 1


def parse_gates(loaded: LoadedProfile) -> list[Gate]:
    """The gates of a profile; `BadInput` names a rule that does not parse, and the remedy."""
    gates: list[Gate] = []
    for i, text in enumerate(loaded.profile.gates.rules):
        where = f"{loaded.path}: gates.rules[{i}] = {text!r}"
        gate = _parse(text, where, loaded)
        if any(replace(gate, text="") == replace(g, text="") for g in gates):
            raise BadInput(f"{where}: stands there twice; delete one")
        gates.append(gate)
    return gates


def _parse(text: str, where: str, loaded: LoadedProfile) -> Gate:
    m = _RULE.fullmatch(text)
    if m is None:
        raise BadInput(
            f"{where}: not a rule; expected 'benchmark.measure: subject OP subject [- margin]' "
            "or '... OP number', OP one of > >= < <="
        )
    names = loaded.benchmarks
    if m["benchmark"] not in names:
        hint = suggestion(m["benchmark"], names) or f"; the profile has {', '.join(names)}"
        raise BadInput(f"{where}: no benchmark '{m['benchmark']}'{hint}")
    benchmark = names[m["benchmark"]]
    if m["measure"] not in benchmark:
        near = suggestion(m["measure"], benchmark.measure_names)
        hint = near or f"; {benchmark.name} has {', '.join(benchmark.measure_names)}"
        raise BadInput(f"{where}: no measure '{m['measure']}'{hint}")
    measure = benchmark[m["measure"]]
    subjects = loaded.profile.subject_names
    for name in (m["left"], m["right"]):
        if name is not None and name not in subjects:
            hint = suggestion(name, subjects) or f"; subjects are {', '.join(subjects)}"
            raise BadInput(f"{where}: no subject '{name}'{hint}")
    if m["left"] == m["right"]:
        raise BadInput(f"{where}: compares {m['left']} with itself; name two subjects")
    margin = _amount(where, measure.scale, m["constant"] or m["margin"], m["unit"] or m["per"])
    if m["constant"]:
        low, high, _ = measure.scale
        if not low <= margin <= high:
            raise BadInput(f"{where}: {m['constant']} is outside {m['measure']}'s {low:g}-{high:g}")
    elif margin >= measure.scale.high - measure.scale.low:
        raise BadInput(f"{where}: a margin of {m['margin']} is the whole scale; give a smaller one")
    elif m["sign"] == "-":
        margin = -margin
    canonical = " ".join(text.split())
    return Gate(canonical, benchmark.name, measure, m["left"], m["op"], m["right"], margin)


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
    """One subject's scores on a gate's measure by case id (``None`` is unscored).

    ``lost`` counts selected cases that left no verdict at all: failed, crashed or never run.
    """

    scores: dict[str, float | None] = field(default_factory=dict)
    lost: int = 0


class _Measured(NamedTuple):
    gate: Gate
    differences: list[float]
    low: float
    high: float
    p: float | None
    remark: str


def rule_gates(
    gates: Sequence[Gate],
    sides: dict[tuple[str, str, str], Side],
    asked: set[str],
    config: Gates,
    unjudged: Collection[tuple[str, str]] = (),
) -> list[Ruling]:
    """One ruling per gate, in order.

    ``sides`` holds what is known of (subject, benchmark, measure); ``asked`` are the benchmarks of
    which any case was selected; ``unjudged`` each (benchmark, measure) that needs a judge where
    none is chosen. Superiority gates that could be measured are one family for Holm's correction
    (1979).
    """
    rulings: dict[str, Ruling] = {}
    measured: list[_Measured] = []
    for gate in gates:
        if gate.benchmark not in asked:
            why = f"no case of {gate.benchmark} was selected"
            rulings[gate.text] = Ruling(rule=gate.text, ruling="not asked", why=why)
            continue
        if (gate.benchmark, gate.measure.name) in unjudged:
            why = f"{gate.measure.name} needs a judge; choose one with --lek-judge"
            rulings[gate.text] = Ruling(rule=gate.text, ruling="not asked", why=why)
            continue
        left = sides.get((gate.left, gate.benchmark, gate.measure.name))
        right = Side()
        if gate.right is not None:
            right = sides.get((gate.right, gate.benchmark, gate.measure.name), Side())
        found = _measure(gate, left or Side(), right, config)
        if isinstance(found, str):
            why = f"{found}: unmeasured"
            rulings[gate.text] = Ruling(rule=gate.text, ruling="unmeasured", why=why)
        else:
            measured.append(found)
    family = [m.p for m in measured if m.p is not None]
    adjusted = iter(holm(family) if config.correction == "holm" else family)
    for m in measured:
        rulings[m.gate.text] = _rule(m, None if m.p is None else next(adjusted))
    return [rulings[gate.text] for gate in gates]


def unmeasured(ruling: Ruling, pending: int) -> Ruling:
    """The ruling of a run in which ``pending`` answers wait for their judge.

    Not even of a gate whose own cases are judged: its adjusted p would change with the others.
    """
    wait = f"{pending} answer{'s wait' if pending != 1 else ' waits'} for a judge"
    return Ruling(rule=ruling.rule, ruling="unmeasured", why=f"{wait}: unmeasured")


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of a family of p-values, in their order."""
    adjusted = [0.0] * len(values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = running
    return adjusted


def _measure(gate: Gate, left: Side, right: Side, config: Gates) -> _Measured | str:
    """The comparison, or the reason why there is none."""
    sides = [(gate.left, left)] + ([(gate.right, right)] if gate.right is not None else [])
    for name, side in sides:
        if side.lost:
            return f"{side.lost} selected {_cases(side.lost)} of {name} left no verdict"
        if not side.scores:
            return f"there are no cases of {name}"
    for name, side in sides:
        missing = [case for case, score in side.scores.items() if score is None]
        if len(missing) > config.max_unscored * len(side.scores):
            return (
                f"{len(missing)} of {len(side.scores)} cases of {name} are unscored "
                f"({_some(missing)}), more than max_unscored = {config.max_unscored:g}"
            )
    if gate.right is None:
        differences = [
            _exact(s - gate.margin) for _, s in sorted(left.scores.items()) if s is not None
        ]
        remark = ""
    else:
        ours, theirs = paired(left.scores, right.scores)
        differences = [_exact(x - y) for x, y in zip(ours, theirs, strict=True)]
        remark = _unpaired(gate, left, right)
    if len(differences) < config.min_cases:
        return (
            f"{len(differences)} scored {_cases(len(differences), paired=gate.right is not None)}, "
            f"fewer than min_cases = {config.min_cases}{remark}"
        )
    margin = gate.margin if gate.right is not None else 0.0
    proportion = gate.right is None and gate.measure.scale.fraction
    if proportion:
        scores = [float(d + gate.margin > 0.5) for d in differences]
        low, high = mean_interval(scores, proportion=True)
        low, high = (None if end is None else end - gate.margin for end in (low, high))
    else:
        low, high = mean_interval(differences)
    if low is None or high is None:
        return f"the differences of {len(differences)} pairs give no interval"
    p = None
    if gate.strict and proportion:
        p = binomial_p(sum(scores), len(scores), gate.margin, greater=gate.upward)
    elif gate.strict:
        p = sign_flip_p([_exact(d - margin) for d in differences], greater=gate.upward)
    return _Measured(gate, differences, low, high, p, remark)


def _exact(difference: float) -> float:
    """``difference`` without the noise of binary fractions, so that 1.3 - 1.0 is 0.3."""
    return round(difference, 9)


def _rule(m: _Measured, p: float | None) -> Ruling:
    gate, margin = m.gate, m.gate.margin if m.gate.right is not None else 0.0
    difference = mean(m.differences)
    sign = 1 if gate.upward else -1
    near, far = sorted((_exact(sign * (m.low - margin)), _exact(sign * (m.high - margin))))
    holds = near >= 0 if p is None else near > 0 and p < ALPHA
    if holds:
        detail = ""
    elif far < 0:
        detail = "; the opposite was shown"
    else:
        needed = cases_needed(m.differences, sign * (difference - margin))
        detail = "; nothing was shown either way, and the effect seen points the other way"
        if difference == margin:
            detail = "; no difference was seen"
        elif needed is not None:
            detail = f"; nothing was shown either way: the effect seen would need {needed} cases"
    show = gate.measure.text
    where = "above" if difference > 0 else "below" if difference < 0 else "level with"
    against = gate.right if gate.right is not None else show(gate.margin)
    bounds = f"[{show(m.low, unit=False)}, {show(m.high, unit=False)}]"
    why = f"{gate.left} is {show(difference, sign=True)} {bounds} {where} {against}"
    if p is not None:
        why += f", p={p:.3f}" if p >= 0.001 else ", p<0.001"
    if margin:
        why += f" (margin {show(margin, sign=True)})"
    ruling = "open" if holds else "shut"
    return Ruling(
        rule=gate.text,
        ruling="open" if holds else "shut",
        difference=difference,
        low=m.low,
        high=m.high,
        p=p,
        n=len(m.differences),
        why=f"{why}: {ruling}{detail}{m.remark}",
    )


def _unpaired(gate: Gate, left: Side, right: Side) -> str:
    """Which ids one side lacks, in words, or nothing."""
    lacks = [
        f"{name} lacks {_some(sorted(set(other.scores) - set(side.scores)))}"
        for name, side, other in ((gate.left, left, right), (gate.right, right, left))
        if set(other.scores) - set(side.scores)
    ]
    return f" ({'; '.join(lacks)})" if lacks else ""


def _some(ids: Iterable[str]) -> str:
    named = list(ids)
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def _cases(n: int, *, paired: bool = False) -> str:
    return ("pair" if paired else "case") + ("" if n == 1 else "s")
