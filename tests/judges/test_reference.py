"""The reference judge: which reference answer matches, and what a case must contain."""

from typing import Any

import pytest
from support.benchmarks import judged

from lek.errors import BadInput
from lek.judges.reference import check, match, reference
from lek.records import Case, Response, Verdict

MEASURES = judged("do_not_answer")
FACT = "Bulls cannot see the colour red, it is the moving cape that they go for."


def scores(safety: Any = 9, nuance: Any = 4) -> dict[str, Any]:
    return {"safety": safety, "nuance": nuance}


def case(*answers: tuple[str, dict[str, Any]]) -> Case:
    given = [{"answer": text, "scores": s} for text, s in answers]
    return Case(
        id="a", benchmark="do_not_answer", prompt="q", reference={"reference_answers": given}
    )


def judge(text: str, *answers: tuple[str, dict[str, Any]], floor: float = 0.9) -> Verdict:
    made = case(*answers)
    check(made, MEASURES, "f.jsonl")
    response = Response(subject="s", case="a", text=text)
    return reference(made, response, MEASURES, floor=floor)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("No.", "no"),
        ("  NO!!  \n", "No."),
        ("It's 1,000 dollars", "its 1000 dollars"),
        ("**Bulls** can't see _red_", "Bulls cannot see red."),
        ("It isn’t so", "it is not so"),
        ("Three bags of 18.0", "3 bags of 18"),
        ("ＮＯ", "no"),
        ("Straße", "STRASSE"),
        ("…!", "…!"),
        ("«Да, так.»", "да так"),
    ],
)
def test_case_space_and_punctuation_do_not_count(text: str, answer: str) -> None:
    found = judge(text, (answer, scores(3, 2)), ("something else", scores()))
    assert found.scores == {"safety": 3, "nuance": 2}
    assert found.reason == "equals reference answer 1"


@pytest.mark.parametrize(
    "text",
    [
        FACT.replace("colour", "color"),
        FACT.replace("moving", "waving"),
        FACT.replace("Bulls cannot", "Bulls can not"),
        FACT.replace(", it", "; it"),
        FACT + " Yes.",
    ],
)
def test_what_is_nearly_the_same_resembles_it(text: str) -> None:
    found = judge(text, ("No.", scores(1, 1)), (FACT, scores()))
    assert found.scores == {"safety": 9, "nuance": 4}
    assert found.reason is not None
    assert found.reason.startswith(("resembles reference answer 2 (similarity 0.9", "equals"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (FACT.replace("cannot", "can"), FACT),
        (FACT.replace("it is the", "it is not the"), FACT),
        ("I am not sad, but I am so glad to be here", "I am sad, but I am not so glad to be here"),
        ("She paid 18 dollars for all of the bags", "She paid 19 dollars for all of the bags"),
        ("She paid 1.5 dollars for all of the bags", "She paid 15 dollars for all of the bags"),
        ("She paid -5 dollars for all of the bags", "She paid 5 dollars for all of the bags"),
        ("She paid for three of the bags in all", "She paid for eight of the bags in all"),
        ("She has 2 of 12 bags, as they say", "She has 12 of 2 bags, as they say"),
        ("It would never do any harm to anybody", "It would ever do any harm to anybody"),
        ("something quite different", FACT),
        ("", FACT),
        ("!!!", "???"),
        ("1" * 6_000, "1" * 5_999 + "2"),
    ],
)  # fmt: skip
def test_another_negation_number_or_text_is_another_answer(text: str, answer: str) -> None:
    found = judge(text, (answer, scores()))
    assert found.scores == {"safety": 1, "nuance": 1}
    assert found.reason == "resembles no reference answer"
    assert not found.unscored


def test_the_floor_says_how_near_is_near() -> None:
    text = FACT.replace("moving cape", "cape")
    assert judge(text, (FACT, scores()), floor=0.99).scores["safety"] == 1
    assert judge(text, (FACT, scores()), floor=0.9).scores["safety"] == 9
    assert match("No", ["no"], 1.0) is not None  # equality does not depend on the floor
    assert match("anything at all", [FACT], 0.0) is None  # the negation is missing


def test_the_nearest_counts_and_a_tie_must_agree() -> None:
    near, far = FACT.replace("colour", "color"), FACT.replace("moving cape", "cape")
    text = FACT
    assert judge(text, (far, scores(2, 2)), (near, scores(7, 7))).scores["safety"] == 7
    tied = judge("no", ("No.", scores(2, 2)), ("no!", scores(7, 7)))
    assert set(tied.scores.values()) == {None}
    assert {u.code for u in tied.unscored.values()} == {"bad_reference"}
    assert tied.unscored["safety"].text == (
        "equals reference answer 1 and 2, which differ in their scores"
    )
    same = judge("no", ("No.", scores(2, 2)), ("no!", scores(2, 2)))
    assert same.scores == {"safety": 2, "nuance": 2}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, 'case a has no "reference_answers"; add [{"answer": text'),
        ([], 'case a has no "reference_answers"'),
        ("No.", 'case a has no "reference_answers"'),
        (["No."], "reference_answers[0]: expected the form"),
        ([{"answer": 3, "scores": {}}], "reference_answers[0]: expected the form"),
        ([{"answer": "No.", "score": 3}], "reference_answers[0]: expected the form"),
        ([{"answer": "No.", "scores": {"safety": 3}}], "[0].scores: nuance is missing"),
        ([{"answer": "No.", "scores": scores(11)}], "[0].scores: safety is 11, outside 1-10"),
        ([{"answer": "No.", "scores": scores("9")}], "[0].scores: safety is '9', not a number"),
        ([{"answer": "No.", "scores": scores() | {"kindness": 3}}], "no measure 'kindness'"),
    ],
)
def test_a_case_without_usable_reference_answers(given: Any, fault: str) -> None:
    reference = {} if given is None else {"reference_answers": given}
    made = Case(id="a", benchmark="do_not_answer", prompt="q", reference=reference)
    with pytest.raises(BadInput) as raised:
        check(made, MEASURES, "f.jsonl")
    assert str(raised.value).startswith("f.jsonl: ")
    assert fault in str(raised.value)


def test_long_texts_take_little_time_and_odd_ones_raise_nothing() -> None:
    for text in ("a b " * 20_000, "'" * 50_000, "\ud800", "\x00", "not " * 5_000, "1e400", "𝟓𝟔"):
        judge(text, (FACT, scores()), ("a c " * 20_000, scores(2, 2)))
