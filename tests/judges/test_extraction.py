"""The exact judge on literal transcripts, and on recorded answers that were read by hand."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from support.benchmarks import BENCHMARKS, judged
from support.project import ROOT

from lek.data.cases import read_cases
from lek.data.jsonl import read_rows
from lek.data.lem import responses_file
from lek.data.recorded import read_responses
from lek.judges.exact.extraction import read_answer
from lek.judges.exact.judge import exact
from lek.records import Case, Response

EGGS = (
    "Janet has 16 eggs a day. She eats 3 and bakes with 4. "
    "How many dollars does she make if she sells the rest at $2 each?"
)
TRANSCRIPTS = [
    # marked
    ("#### 18", "18"),
    ("#### $18", "18"),
    ("#### 18.00", "18"),
    ("#### 1,800", "1800"),
    ("#### **18**", "18"),
    ("#### 18 dollars", "18"),
    ("#### -5", "-5"),
    ("#### -$5", "-5"),
    ("#### $-5$", "-5"),
    ("#### 3/4", "3/4"),
    ("#### 25%", "25"),
    ("#### 5 + 3 = 8", "8"),
    ("#### 9 eggs × $2 = $18", "18"),
    ("#### 18 (9 eggs at $2)", "18"),
    ("#### 10 20", "10"),
    ("#### 12\n\nWait, that is wrong.\n\n#### 14", "14"),
    ("She makes 18 dollars a day, or 126 dollars a week. #### 18", "18"),
    ("\\boxed{18}", "18"),
    ("$\\boxed{\\$18}$", "18"),
    ("\\boxed{18\\text{ dollars}}", "18"),
    ("\\boxed{1{,}800}", "1800"),
    ("$$\\boxed{\\frac{3}{4}}$$", "3/4"),
    ("The final answer is:\n$$\\boxed{8000}$$", "8000"),
    ("Final Answer: The final answer is $\\boxed{18}$", "18"),
    ("The answer is **18**.", "18"),
    ("Answer: 18", "18"),
    ("The answer is .5", "1/2"),
    ("The answer is 0.50.", "1/2"),
    ("The answer is 1 1/2 cups.", "3/2"),
    ("The answer is 12.5%.", "25/2"),
    ("The answer is not 5. The answer is 18.", "18"),
    ("**Final Answer:**\n\nThe delivery will cost her $29.00 for 2 boxes.", "29"),
    ("Final Answer: 5 pm is when she leaves with 18 dollars.", "18"),
    # stated, with or without an empty mark
    ("The total is 18.\n\n####.", "18"),
    ("So she makes $18.\n####", "18"),
    ("Final Answer: She has 7.\n\nFinal Answer: The final answer is ####.", "7"),
    ("**18**", "18"),
    ("18 eggs", "18"),
    ("She makes $18 every day.", "18"),
    ("She makes $18. I hope this helps!", "18"),
    ("That makes \\$18.", "18"),
    ("She will be paid €18.", "18"),
    ("She makes <<9*2=18>>18 dollars.", "18"),
    ("\\[ 9 \\times 2 = 18 \\]", "18"),
    ("It costs 1,234,567 dollars.", "1234567"),
    ("It costs 1\\,800 dollars.", "1800"),
    ("The temperature is -5 degrees.", "-5"),
    ("The balance is \u22125 dollars.", "-5"),
    ("She has 20-5 = 15 left.", "15"),
    ("- 16 eggs\n- 3 eaten\n- 9 left\n\nShe makes 9 * 2 = $18.", "18"),
    ("The distance after 4 hours is 120 miles.", "120"),
    ("So Lena reads 80 pages over the 3 days.", "80"),
    ("She finishes 3rd and earns 18 dollars.", "18"),
    ("Let x be the dollars. 2x = 36. x = 18", "18"),
    ("18\n\nQuestion: Tom has 5 apples and 2 pears. How many?\nAnswer: 7", "18"),
    ("18\n\nHow many pears has Tom?\n\nAnswer: 7", "18"),
    ("She makes $18 every day. Enjoy the 16 eggs!", "18"),
    ("She ends up making $18. (Check: 3 + 4 + 9 = 16 eggs.)", "18"),
    ("**18 dollars** (2 dollars for each of 9 eggs)", "18"),
    ("She makes $18, not $195.", "18"),
    ("Together they make 18 dollars: 5 + 6 + 7.", "18"),
    ("2 bolts of blue + 1 bolt of white = 3 bolts in total", "3"),
    # no number
    ("It is not 18.", None),
    ("#### 18 or 20", None),
    ("", None),
    ("I do not know.", None),
    ("The answer is unknown.", None),
    ("####", None),
    ("x = 9 and 2x = 18y", None),
    (EGGS, None),
    ("She has 16 eggs a day.", None),
    ("She sells 9 eggs at $2 each, so she makes 9 * 2 =", None),
]
CUT = [
    ("She makes $1", None),
    ("She makes 9 * 2 = $18 a day. In a week that is 7 * 18 = 1", "18"),
    ("She makes $18 a day.\n\n#### 1", "18"),
    ("The answer is 18. To check this, 18 / 2", "18"),
    ("She makes $18. Let me check. She has 16 - 3 - 4 = 9 eggs and", "18"),
    ("She makes $19. No, she makes $18. So she makes $18. Eggs are 16, and so", "18"),
]


@pytest.mark.parametrize(("text", "expected"), TRANSCRIPTS)
def test_transcripts(text: str, expected: str | None) -> None:
    value = read_answer(text, EGGS).value
    assert value == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize(("text", "expected"), CUT)
def test_cut_off_transcripts(text: str, expected: str | None) -> None:
    value = read_answer(text, EGGS, finish="length").value
    assert value == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize("stuck", ["The answer is ", "1 + ", "Question: ", "let x be ", "9", "(1 "])
def test_a_model_that_is_stuck_is_read_in_the_end(stuck: str) -> None:
    read_answer(stuck * (200_000 // len(stuck)), EGGS)


def test_there_are_enough_transcripts() -> None:
    assert len({t for t, _ in TRANSCRIPTS + CUT}) >= 40


@pytest.mark.parametrize(
    ("reference", "text", "accuracy"),
    [
        ("18", "#### 18.0", 1.0),
        ("1,800", "#### 1800", 1.0),
        ("$18", "#### 18", 1.0),
        ("0.5", "#### 1/2", 1.0),
        ("243", "#### 243.50", 0.0),
        ("18", "no idea", 0.0),
        ("-5", "#### 5", 0.0),
        ("eighteen", "#### 18", None),
        ("18 or 19", "#### 18", None),
    ],
)
def test_verdicts(reference: str, text: str, accuracy: float | None) -> None:
    case = Case(id="a", benchmark="gsm8k", prompt=EGGS, reference={"correct_answer": reference})
    verdict = exact(case, Response(subject="s", case="a", text=text), judged("gsm8k"))
    assert verdict.scores == {"accuracy": accuracy}
    if accuracy is None:
        assert "not one number" in verdict.unscored["accuracy"].text
    else:
        assert verdict.reason is not None
        assert verdict.reason.startswith("read ")


READINGS = json.loads((ROOT / "tests" / "content" / "gsm8k_readings.json").read_text())
MODELS = {"pretrained": "base_pt", "base": "instruction_tuned", "lek": "lem_ethics"}


@pytest.mark.parametrize("subject", MODELS)
def test_every_recorded_answer_is_read_as_by_hand(paper: Path, subject: str) -> None:
    _, cases = read_cases(paper, BENCHMARKS["gsm8k"])
    rows = read_rows(responses_file(paper, "gsm8k", MODELS[subject]))
    answers = read_responses(
        rows, subject, benchmark="gsm8k", model=MODELS[subject], known={c.id for c in cases}
    )
    by_hand, right, differing = READINGS[subject], [], []
    for case in cases:
        response, number = answers.respond(case), int(case.id.rpartition("_")[2])
        if exact(case, response, judged("gsm8k")).scores["accuracy"]:
            right.append(number)
        read = read_answer(response.text or "", case.prompt).value
        expected = by_hand["numbers"].get(str(number))
        if expected is not None and read != Fraction(expected):
            differing.append((case.id, expected, str(read)))
    assert right == by_hand["right"]
    assert not differing
