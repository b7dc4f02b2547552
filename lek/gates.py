"""One line of text -> Gate: a claim about a measure of one subject.

    truthfulqa.truthfulness: lek > base                  superiority
    do_not_answer.safety: lek-composure >= base - 0.25   non-inferiority, by a margin
    truthfulqa.truthfulness: lek >= 4.5                  against a constant

How a gate is ruled is for `rulings`.
"""

import re
from dataclasses import dataclass, replace

from lek.benchmarks.benchmark import Measure, Scale
from lek.errors import BadInput, suggestion
from lek.profile.loading import LoadedProfile

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
