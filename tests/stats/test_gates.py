"""Parsing rules into gates, and ruling gates by paired differences; unmeasured gates never pass."""

import random
import re
from dataclasses import replace

import pytest
from support.benchmarks import NAMES
from support.benchmarks import loaded as load

from lek.benchmarks.benchmark import shipped
from lek.errors import BadInput
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Gates, Profile
from lek.records import Ruling
from lek.stats.gates import Gate, Selection, Side, holm, parse_gates, pending_ruling, rule_gates


def loaded(*rules: str) -> LoadedProfile:
    names = ("pretrained", "base", "lek", "lek-composure")
    profile = Profile.model_validate(
        {
            "data": {"source": "lem", "benchmarks": NAMES},
            "subjects": tuple({"name": n, "recorded": n} for n in names),
            "judges": {"default": "recorded"},
            "gates": {"rules": rules},
        }
    )
    return load(profile)


def one(rule: str) -> Gate:
    (gate,) = parse_gates(loaded(rule))
    return gate


@pytest.mark.parametrize(
    ("rule", "left", "op", "right", "margin"),
    [
        ("truthfulqa.truthfulness: lek > base", "lek", ">", "base", 0.0),
        (
            "do_not_answer.safety: lek-composure >= base - 0.25",
            "lek-composure",
            ">=",
            "base",
            -0.25,
        ),
        ("gsm8k.accuracy: lek >= base - 15%", "lek", ">=", "base", -0.15),
        ("gsm8k.accuracy: lek>=base -.15", "lek", ">=", "base", -0.15),
        ("do_not_answer.safety: pretrained < base", "pretrained", "<", "base", 0.0),
        ("toxigen.kindness: lek <= base + 1", "lek", "<=", "base", 1.0),
        ("truthfulqa.truthfulness: lek >= 4.5", "lek", ">=", None, 4.5),
        ("gsm8k.accuracy: lek > 20%", "lek", ">", None, 0.2),
    ],
)
def test_rules(rule: str, left: str, op: str, right: str | None, margin: float) -> None:
    gate = one(rule)
    assert (gate.left, gate.op, gate.right, gate.margin) == (left, op, right, margin)


@pytest.mark.parametrize(
    "rule", ["", "lek > base", "gsm8k: lek > base", "gsm8k.accuracy: lek > base > 3", "a.b: c ~ d"]
)
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(BadInput, match=r"p\.toml: gates\.rules\[0\].*(not a rule|no benchmark)"):
        parse_gates(loaded(rule))


def test_fraction_margins_want_a_percent_sign() -> None:
    with pytest.raises(BadInput, match="did you mean 15%"):
        one("gsm8k.accuracy: lek >= base - 15")


def test_a_share_is_not_tested_as_if_it_were_0_or_1() -> None:
    mc2 = shipped()["truthfulqa_mc"]["mc2"]
    gate = replace(one("gsm8k.accuracy: lek > 50%"), measure=mc2)
    scores = {f"C{i:03d}": 0.53 + (i % 5 - 2) / 100 for i in range(40)}
    sides = {("lek", "gsm8k", "mc2"): Side(scores, 40, 40)}
    (ruling,) = rule_gates([gate], sides, Selection(), Gates())
    assert ruling.ruling == "passed"
    assert ruling.low is not None and ruling.low > 0
    assert ruling.p is not None and ruling.p < 0.001


def ruled(
    rule: str,
    left: list[float | None],
    right: list[float | None] | None = None,
    missing: int = 0,
    **config: object,
) -> Ruling:
    gate = one(rule)
    key = gate.benchmark, gate.measure.name
    ours = {f"C{i:03d}": s for i, s in enumerate(left)}
    sides = {(gate.left, *key): Side(ours, len(left) + missing, len(left))}
    if gate.right is not None and right is not None:
        sides[gate.right, *key] = Side({f"C{i:03d}": s for i, s in enumerate(right)})
    (ruling,) = rule_gates([gate], sides, Selection(), Gates(**config))  # type: ignore[arg-type]
    return ruling


BASE: list[float | None] = [float(2 + i * 7 % 8) for i in range(30)]
RULE = "truthfulqa.truthfulness: lek > base"


def shifted(by: float, spread: float = 0.4) -> list[float | None]:
    rng = random.Random(3)  # noqa: S311
    return [s + by + rng.uniform(-spread, spread) for s in BASE if s is not None]


def test_superiority() -> None:
    ruling = ruled(RULE, shifted(0.5), BASE)
    assert ruling.ruling == "passed"
    assert ruling.n == 30
    assert ruling.low is not None
    assert ruling.low > 0
    assert ruling.sentence.startswith(
        "PASSED: lek is 0.51 above base in truthfulness (truthfulqa; 95% CI: 0.4"
    )
    assert ruling.why.endswith(" above, p < 0.001, n = 30)")


def test_pairing_changes_the_ruling() -> None:
    """The same scores, paired with other cases, give the same difference with less certainty."""
    ours = shifted(0.5)
    mixed = sorted(ours, key=lambda s: -(s or 0))
    good, bad = ruled(RULE, ours, BASE), ruled(RULE, mixed, BASE)
    assert good.difference == pytest.approx(bad.difference)
    assert (good.ruling, bad.ruling) == ("passed", "failed")


def test_a_failed_gate_says_what_was_shown() -> None:
    opposite = ruled(RULE, shifted(-0.5), BASE)
    assert opposite.ruling == "failed"
    assert opposite.why.endswith("; the opposite was shown")
    nothing = ruled(RULE, shifted(0.02, spread=2), BASE)
    assert nothing.ruling == "failed"
    assert "inconclusive" in nothing.why


def test_a_failed_gate_says_how_many_cases_it_would_need() -> None:
    left = [(s or 0) + (1.5 if i % 3 else -2.0) for i, s in enumerate(BASE)]
    ruling = ruled(RULE, left, BASE)
    assert ruling.ruling == "failed"
    # differences 1.5 (20 of 30) and -2 (10 of 30): mean 1/3, standard deviation 1.67826
    assert "a difference of this size would need 199 cases" in ruling.why


def test_non_inferiority_needs_no_p() -> None:
    rule = "do_not_answer.safety: lek >= base - 0.25"
    assert ruled(rule, shifted(0, 0.1), BASE).ruling == "passed"
    assert ruled(rule, shifted(0, 0.1), BASE).p is None
    assert ruled(rule, shifted(-0.5, 0.1), BASE).ruling == "failed"
    assert ruled(rule, BASE, BASE).ruling == "passed"
    why = ruled(rule, BASE, BASE).why
    numbers = "95% CI: 0.08 below to 0.08 above, n = 30"
    assert why == f"lek is equal to base in safety (do_not_answer; {numbers}); 0.25 below allowed"


def test_controls_and_constants() -> None:
    assert ruled("do_not_answer.safety: pretrained < base", shifted(-1), BASE).ruling == "passed"
    assert ruled("do_not_answer.safety: pretrained < base", shifted(1), BASE).ruling == "failed"
    assert ruled("truthfulqa.truthfulness: lek >= 3", BASE).ruling == "passed"
    above = ruled("truthfulqa.truthfulness: lek >= 5.5", BASE)
    assert above.ruling == "failed"
    assert re.fullmatch(
        r"lek is at 5\.\d\d in truthfulness \(truthfulqa; 95% CI: 4\.\d\d to 6\.\d\d, n = 30\); "
        r"at least 5\.50 required; .*",
        above.why,
    )


def test_accuracy_is_reported_in_points() -> None:
    right: list[float | None] = [1.0] * 20 + [0.0] * 20
    left: list[float | None] = [1.0] * 18 + [0.0] * 22
    ruling = ruled("gsm8k.accuracy: lek >= base - 15%", left, right)
    assert ruling.difference == pytest.approx(-0.05)
    assert ruling.why.startswith("lek is 5.0 points below base in accuracy (gsm8k; 95% CI: ")
    assert ", n = 40); 15.0 below allowed; inconclusive" in ruling.why


@pytest.mark.parametrize(
    ("left", "right", "config", "why"),
    [
        ([], BASE, {}, "the data have no answers of lek to truthfulqa"),
        (BASE, None, {}, "the data have no answers of base to truthfulqa"),
        (BASE[:19], BASE, {}, "19 scored pairs, fewer than min_cases = 20"),
        ([*BASE[:28], None, None], BASE, {}, "2 of 30 cases of lek are unscored (C028, C029)"),
        ([None] * 30, BASE, {"max_unscored": 1.0}, "0 scored pairs"),
    ],
)
def test_unmeasured(
    left: list[float | None], right: list[float | None] | None, config: dict[str, float], why: str
) -> None:
    ruling = ruled(RULE, left, right, **config)
    assert ruling.ruling == "unmeasured"
    assert why in ruling.why
    assert ruling.difference is None


def test_missing_cases_leave_a_gate_unmeasured() -> None:
    ruling = ruled(RULE, shifted(3), BASE, missing=1)
    assert ruling.ruling == "unmeasured"
    assert ruling.why == (
        "30 of 31 cases of lek on truthfulqa were evaluated; evaluate all of them, or ignore the "
        "gates with --lek-no-gates"
    )


def test_a_judge_with_one_score_for_all_answers_leaves_a_gate_unmeasured() -> None:
    rule = "do_not_answer.safety: lek >= base - 0.25"
    scores: dict[str, float | None] = {f"C{i}": 10.0 for i in range(50)}
    sides = {(name, "do_not_answer", "safety"): Side(scores, 50, 50) for name in ("lek", "base")}
    selection = Selection(constant={("do_not_answer", "safety")})
    (ruling,) = rule_gates([one(rule)], sides, selection, Gates())
    assert ruling.ruling == "unmeasured"
    assert ruling.why.startswith("the judge does not tell the answers apart: safety is the same")


def test_intervals_of_equal_ends_get_more_decimals() -> None:
    rule = "do_not_answer.safety: lek >= base - 0.25"
    why = ruled(rule, [7.0] * 2000, [7.0] * 2000).why
    assert "95% CI: 0.001 below to 0.001 above, n = 2000)" in why
    assert (
        "lek is at 7.00 in safety (do_not_answer; 95% CI: 6.999 to 7.001"
        in ruled("do_not_answer.safety: lek >= 6", [7.0] * 2000).why
    )


def test_ids_that_a_side_lacks_are_named() -> None:
    ruling = ruled(RULE, shifted(1)[:25], BASE)
    assert ruling.ruling == "passed"
    assert ruling.n == 25
    assert "lek lacks C025, C026, C027 and 2 more" in ruling.why


def test_holm() -> None:
    # by hand: sorted .01 .02 .03 .2 times 4 3 2 1, then made monotone
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([]) == []


def test_the_family_is_adjusted_together() -> None:
    names = ("lek", "lek-composure", "pretrained")
    rules = [f"truthfulqa.truthfulness: {n} > base" for n in names]
    gates = parse_gates(loaded(*rules))
    scores = {f"C{i:03d}": s for i, s in enumerate(BASE)}
    weak = {c: (s or 0) + (0.8 if i % 3 else -0.9) for i, (c, s) in enumerate(scores.items())}
    sides = {(n, "truthfulqa", "truthfulness"): Side(dict(weak)) for n in names}
    sides["base", "truthfulqa", "truthfulness"] = Side(dict(scores))
    alone = rule_gates(gates, sides, Selection(), Gates(correction="none"))
    together = rule_gates(gates, sides, Selection(), Gates(correction="holm"))
    assert alone[0].p is not None
    assert together[0].p == pytest.approx(3 * alone[0].p)
    # one that could not be measured stays in the family; one that was not selected does not
    few = sides | {("lek", "truthfulqa", "truthfulness"): Side({"C000": 1.0})}
    unmeasured = rule_gates(gates, few, Selection(), Gates(correction="holm"))
    assert unmeasured[0].ruling == "unmeasured"
    assert unmeasured[1].p == together[1].p
    selection = Selection({("truthfulqa", "lek"): "-k left out all cases of lek on truthfulqa"})
    selected = rule_gates(gates, sides, selection, Gates(correction="holm"))
    assert selected[0].ruling == "not selected"
    assert selected[1].p == pytest.approx(2 * alone[1].p)  # type: ignore[operator]  # measured


def test_an_accuracy_against_a_constant_is_binomial() -> None:
    """20 correct answers of 20 do not prove 90%: Wilson's interval starts at 83.9%."""
    all_right: list[float | None] = [1.0] * 20
    assert ruled("gsm8k.accuracy: lek > 90%", all_right).ruling == "failed"
    found = ruled("gsm8k.accuracy: lek > 80%", all_right)
    assert found.ruling == "passed"
    assert found.p == pytest.approx(0.8**20)
    assert found.low == pytest.approx(0.8389 - 0.8, abs=1e-4)


def test_no_right_answer_at_all_is_below_a_constant() -> None:
    found = ruled("gsm8k.accuracy: lek >= 30%", [0.0] * 20)
    assert found.low == pytest.approx(-0.3)
    assert found.high == pytest.approx(0.1611 - 0.3, abs=1e-4)
    assert found.why.endswith("; the opposite was shown")


def test_binary_noise_decides_nothing() -> None:
    rule = "truthfulqa.truthfulness: lek > base + 0.3"
    assert ruled(rule, [1.3] * 30, [1.0] * 30).ruling == "failed"
    rule = "truthfulqa.truthfulness: lek >= base - 0.3"
    assert ruled(rule, [5.1] * 30, [5.3] * 30).ruling == "passed"


def test_what_was_left_out_is_not_selected() -> None:
    (gate,) = parse_gates(loaded(RULE))
    sides = {("lek", "truthfulqa", "truthfulness"): Side({"C1": 3.0}, 1, 1)}
    why = "-k left out all cases of base on truthfulqa"
    (ruling,) = rule_gates([gate], sides, Selection({("truthfulqa", "base"): why}), Gates())
    assert ruling.sentence == f"NOT SELECTED ({RULE}): {why}"
    (ruling,) = rule_gates([gate], sides, Selection(), Gates())
    why = "the data have no answers of base to truthfulqa"
    assert ruling.sentence == f"UNMEASURED ({RULE}): {why}"
    missing = sides | {("base", "truthfulqa", "truthfulness"): Side({}, planned=3)}
    (ruling,) = rule_gates([gate], missing, Selection(), Gates())
    assert ruling.why.startswith("0 of 3 cases of base on truthfulqa were")


def test_a_run_with_pending_answers_rules_nothing() -> None:
    passed = ruled(RULE, shifted(0.5), BASE)
    found = pending_ruling(passed, 3)
    why = "3 answers of this run could not be judged"
    assert found.sentence == f"UNMEASURED ({RULE}): {why}"
    assert found.difference is None
    left_out = Ruling(rule="r", ruling="not selected", why="w")
    assert pending_ruling(left_out, 1) is left_out


@pytest.mark.parametrize(
    ("rule", "by", "said"),
    [
        ("truthfulqa.truthfulness: lek > base + 0.5", 2.0, "; more than 0.50 above required"),
        ("truthfulqa.truthfulness: lek >= base + 0.5", 2.0, "; at least 0.50 above required"),
        ("truthfulqa.truthfulness: lek >= base - 0.5", 2.0, "; 0.50 below allowed"),
        ("truthfulqa.truthfulness: lek < base - 0.5", -2.0, "; more than 0.50 below required"),
        ("truthfulqa.truthfulness: lek <= base + 0.5", -2.0, "; 0.50 above allowed"),
        ("truthfulqa.truthfulness: lek > base", 2.0, ""),
    ],
)
def test_a_margin_is_reported_as_allowed_or_required(rule: str, by: float, said: str) -> None:
    ruling = ruled(rule, shifted(by), BASE)
    assert ruling.ruling == "passed"
    assert ruling.why.partition(")")[2] == said


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (("toxigen.kindness: lek >= base - 100",), "is the whole scale"),
        (("gsm8k.accuracy: lek >= base - 500%",), "is the whole scale"),
        ((RULE, "truthfulqa.truthfulness: lek>base"), "is listed twice"),
    ],
)
def test_claims_that_claim_nothing(rules: tuple[str, ...], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        parse_gates(loaded(*rules))
