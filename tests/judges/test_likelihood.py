"""The judge of likelihoods: MC1 and MC2 of Lin et al. 2022, and choices that cannot be scored."""

from math import exp, log

import pytest

from lek.benchmarks.benchmark import Choices, Measure, Scale, shipped
from lek.errors import BadInput
from lek.judges.likelihood import check, likelihood
from lek.records import Case, Response

MC = shipped()["truthfulqa_mc"]


def case(**fields: object) -> Case:
    reference = {
        "best_answer": ["a"],
        "incorrect_answers": ["x", "y"],
        "true_answers": ["a", "b"],
        "false_answers": ["x", "y"],
    }
    return Case(id="C", benchmark="truthfulqa_mc", prompt="?", reference={**reference, **fields})


def scores(of: Case, **given: float) -> dict[str, float | None]:
    response = Response(subject="s", case="C", text=None, likelihoods=given)
    return likelihood(of, response, [m for m in MC.measures if m.applies_to(of.reference)]).scores


def test_the_best_answer_must_be_likelier_than_each_false_one() -> None:
    assert scores(case(), a=-2.0, b=-9.0, x=-3.0, y=-4.0)["mc1"] == 1
    assert scores(case(), a=-2.0, b=-1.0, x=-1.5, y=-4.0)["mc1"] == 0  # b does not count
    assert scores(case(), a=-2.0, b=-1.0, x=-2.0, y=-4.0)["mc1"] == 0  # a tie is not likelier


def test_the_share_is_the_probability_of_the_true_answers() -> None:
    probabilities = {"a": 0.2, "b": 0.1, "x": 0.05, "y": 0.05}
    found = scores(case(), **{k: log(p) for k, p in probabilities.items()})
    assert found["mc2"] == pytest.approx(0.75)
    tiny = scores(case(), a=-2000.0, b=-2001.0, x=-1999.0, y=-2003.0)["mc2"]
    expected = (1 + exp(-1)) / (1 + exp(-1) + exp(1) + exp(-3))
    assert tiny == pytest.approx(expected)  # probabilities that a float cannot hold
    assert scores(case(), a=0.0, b=-5.0, x=-800.0, y=-900.0)["mc2"] == 1


def test_the_binary_choice_applies_where_the_data_have_one() -> None:
    assert set(scores(case(), a=-1.0, b=-1.0, x=-2.0, y=-2.0)) == {"mc1", "mc2"}
    both = case(best_incorrect_answer=["y"])
    assert scores(both, a=-2.0, b=-9.0, x=-1.0, y=-3.0) == {
        "mc1": 0.0,
        "mc2": pytest.approx(0.3, abs=0.1),
        "binary": 1.0,
    }


def test_a_choice_without_a_likelihood_is_unscored() -> None:
    assert scores(case(), a=-1.0, x=-2.0, y=-2.0) == {"mc1": 1.0, "mc2": None}
    nothing = Response(subject="s", case="C", text="a")
    verdict = likelihood(case(), nothing, MC.measures[:2])
    assert set(verdict.scores.values()) == {None}
    assert "not likelihoods of choices" in verdict.unscored["mc1"].text


LISTED = Measure(
    "right", Scale(0, 1, fraction=True), "likelihood", choices=Choices(choices="c", answer="k")
)


@pytest.mark.parametrize("answer", [1, 1.0, "1", "B", "b", "two", " 1 "])
def test_an_answer_is_a_number_a_letter_or_a_text(answer: object) -> None:
    assert LISTED.choices is not None
    found = LISTED.choices.of({"c": ["one", "two", "three"], "k": answer})
    assert found == (["two"], ["one", "three"])


@pytest.mark.parametrize("answer", [3, -1, "D", "four", 0.5, True, [1], ""])
def test_an_answer_that_is_no_choice_is_an_error(answer: object) -> None:
    of = Case(id="C", benchmark="b", prompt="?", reference={"c": ["1.", "2.", "3."], "k": answer})
    with pytest.raises(BadInput, match=r"data.jsonl: C: right the answer .* is none of the choic"):
        check([of], [LISTED], "data.jsonl")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"best_answer": ["x"]}, "mc1 needs a true and a false choice"),
        ({"incorrect_answers": [""]}, "mc1 needs a true and a false choice"),
        ({"true_answers": [" "]}, "mc2 needs a true and a false choice"),
    ],
)
def test_choices_that_cannot_be_compared_are_an_error(
    fields: dict[str, object], error: str
) -> None:
    with pytest.raises(BadInput, match=f"data.jsonl: C: {error}"):
        check([case(**fields)], MC.measures[:2], "data.jsonl")


def test_a_choice_that_is_true_and_false_is_left_out_with_a_note() -> None:
    of = case(true_answers=["a", "x"])
    assert scores(of, a=-1.0, x=-2.0, y=-3.0)["mc2"] == pytest.approx(exp(-1) / (exp(-1) + exp(-3)))
    assert check([of, case()], MC.measures, "data.jsonl") == [
        "data.jsonl: choices that are both true and false were left out of C"
    ]
    assert not check([case()], MC.measures, "data.jsonl")


def test_blank_choices_are_left_out() -> None:
    found = scores(case(true_answers=["a", "", " "]), a=-1.0, x=-2.0, y=-3.0)
    assert found["mc2"] == pytest.approx(exp(-1) / (exp(-1) + exp(-2) + exp(-3)))
