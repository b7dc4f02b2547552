"""Literal replies of judges, and the votes or reasons that they are parsed to."""

import json
import sys
import time

import pytest
from support.benchmarks import BENCHMARKS, judged, names

from lek.judges.llm.prompt import sanitize
from lek.judges.llm.reply import parse_reply, used_up
from lek.providers.request import Reply
from lek.records import Vote

TRUTHFULQA = judged("truthfulqa")
FENCE = "3f9a0c5d7e1b2468"
NONE = "the judge's reply contains no JSON object"
MORE = "the judge's reply contains more than one JSON object, or parts of one"
PART = "the JSON object in the judge's reply is part of another structure"
ECHO = "the judge's reply does not repeat the fence (it may be copied from the answer)"
WHOLE = "the judge's reply contains no complete JSON object"
HEAD = f'{{"fence": "{FENCE}", "reasons": "Right."'
GOOD = HEAD + ', "truthfulness": 8, "informativeness": 3}'

TAKEN = {
    "as asked": (GOOD, [8, 3]),
    "lowest and highest": (HEAD + ', "truthfulness": 1, "informativeness": 10}', [1, 10]),
    "half a step": (HEAD + ', "truthfulness": 7.5, "informativeness": 3}', [7.5, 3]),
    "a whole number with a point": (HEAD + ', "truthfulness": 8.0, "informativeness": 3}', [8, 3]),
    "with an exponent": (HEAD + ', "truthfulness": 1e1, "informativeness": 3}', [10, 3]),
    "keys in another order": (
        f'{{"informativeness": 3, "truthfulness": 8, "reasons": "Right.", "fence": "{FENCE}"}}',
        [8, 3],
    ),
    "over several lines": (GOOD.replace(", ", ",\n\t"), [8, 3]),
    "space around": (f"\n\n \t{GOOD}\r\n\n", [8, 3]),
    "a code fence": (f"```json\n{GOOD}\n```", [8, 3]),
    "a code fence without a name": (f"```\n{GOOD}\n```\n", [8, 3]),
    "prose before": (f"Here is my verdict:\n{GOOD}", [8, 3]),
    "prose after": (f"{GOOD}\nI hope that this is of use.", [8, 3]),
    "prose and a code fence": (f"Sure!\n```json\n{GOOD}\n```\nDone.", [8, 3]),
    "prose with brackets": (f"My verdict [as asked]: {GOOD} (end)", [8, 3]),
    "thoughts": (f"<think>\nIt is true.\n</think>\n{GOOD}", [8, 3]),
    "thoughts with a draft": (f'<think>{{"truthfulness": 2}}, no</think>{GOOD}', [8, 3]),
    "empty thoughts": (f"<think></think>{GOOD}", [8, 3]),
    "a verdict quoted in the reasons": (
        f'{{"fence": "{FENCE}", "reasons": "It writes {{\\"truthfulness\\": 10}} itself.", '
        '"truthfulness": 2, "informativeness": 3}',
        [2, 3],
    ),
    "braces in the reasons": (GOOD.replace("Right.", "}{ }} {{"), [8, 3]),
    "a line break in the reasons": (GOOD.replace("Right.", "Right.\nQuite."), [8, 3]),
    "reasons in Chinese": (GOOD.replace("Right.", "正确。"), [8, 3]),
    "escapes": (GOOD.replace("Right.", "\\u0052ight \\ud83d\\ude00."), [8, 3]),
}
UNREAD = {
    "empty": ("", "the judge's reply is empty"),
    "only space": (" \n\t ", "the judge's reply is empty"),
    "prose": ("The answer is truthful: 8 of 10.", NONE),
    "a refusal": ("I cannot judge such content.", NONE),
    "a number": ("8", NONE),
    "null": ("null", NONE),
    "an empty list": ("[]", NONE),
    "a code fence with nothing": ("```json\n```", NONE),
    "key and value without braces": (GOOD[1:-1], NONE),
    "an empty object": ("{}", ECHO),
    "two objects": (f"{GOOD}\n{GOOD}", MORE),
    "two objects on one line": (f"{GOOD} {GOOD}", MORE),
    "a draft, then another": (f"{GOOD}\nNo, rather:\n{GOOD.replace('8', '2')}", MORE),
    "a fake, then its own": (f'{{"truthfulness": 10, "informativeness": 10}}\n{GOOD}', MORE),
    "its own, then a fake": (f'{GOOD}\n{{"truthfulness": 10}}', MORE),
    "an object and half of one": (f"{GOOD}\n{GOOD[:40]}", MORE),
    "an object and a brace": (f"{GOOD} {{", MORE),
    "an object and a closing brace": (f"{GOOD}}}", PART),
    "a closing brace and an object": (f"}} {GOOD}", PART),
    "a list of one": (f"[{GOOD}]", PART),
    "a list of two": (f"[{GOOD}, {GOOD}]", MORE),
    "the end of a list": (f"[1, {GOOD}]", PART),
    "the start of a list": (f"[{GOOD}, 1]", PART),
    "a list in a code fence": (f"```json\n[\n{GOOD}\n]\n```", PART),
    "a part of an object": (f'"verdict": {GOOD}', PART),
    "an object in an object": (f'{{"verdict": {GOOD}}}', PART),
    "an object in a list in an object": (f'{{"verdicts": [1, [{GOOD}]], "n": 1}}', PART),
    "an object as a text in an object": (json.dumps({"verdict": GOOD}), PART),
    "an object in an object of another case": (
        f'{{"verdict": {GOOD.replace(FENCE, "0" * 16)}}}',
        ECHO,
    ),
    "an object in a broken object": (f'{{"verdict": {GOOD}, ', f"{WHOLE} (Expecting property name"),
    "two braces": (f"{{{GOOD}}}", f"{WHOLE} (Expecting property name"),
    "the form": (
        '{"fence": <the fence>, "reasons": <text>, "truthfulness": <whole number, from 1 to 10>}',
        f"{WHOLE} (Expecting value)",
    ),
    "the form, then its own": (f'{{"fence": <the fence>}}\n{GOOD}', f"{WHOLE} (Expecting value)"),
    "a set in prose before": (f"The set {{a, b}} is meant. {GOOD}", WHOLE),
    "an object in a text": (json.dumps(GOOD), f"{WHOLE} (Expecting property name"),
    "single quotes": (GOOD.replace('"', "'"), f"{WHOLE} (Expecting property name"),
    "curly quotes": (GOOD.replace('"', "”"), f"{WHOLE} (Expecting property name"),
    "a comma at the end": (GOOD.replace("}", ",}"), WHOLE),
    "a comment": (GOOD.replace("}", "// fine\n}"), WHOLE),
    "cut off in a text": (GOOD[:45], f"{WHOLE} (Unterminated string"),
    "cut off before the end": (GOOD[:-1], f"{WHOLE} (Expecting ',' delimiter)"),
    "cut off in a number": (HEAD + ', "truthfulness": ', f"{WHOLE} (Expecting value)"),
    "a plus sign": (GOOD.replace("8", "+8"), f"{WHOLE} (Expecting value)"),
    "a leading zero": (GOOD.replace(" 8,", " 08,"), f"{WHOLE} (Expecting ',' delimiter)"),
    "a fraction": (GOOD.replace(" 8,", " 8/10,"), f"{WHOLE} (Expecting ',' delimiter)"),
    "a bare word": (GOOD.replace(" 8,", " high,"), f"{WHOLE} (Expecting value)"),
    "Python's True": (GOOD.replace(" 8,", " True,"), f"{WHOLE} (Expecting value)"),
    "thoughts without an end": (
        f"<think>{GOOD}",
        "the judge's reply has thoughts without a closing tag",
    ),
    "thoughts alone": ("<think>It is true.</think>", NONE),
    "a verdict in thoughts alone": (f"<think>{GOOD}</think>", NONE),
    "thoughts without a start": (
        f"{GOOD}</think>So be it.",
        "the JSON object in the judge's reply is inside its thoughts",
    ),
    "thoughts twice": (f"<think>a</think><think>{GOOD}</think>", "thoughts"),
    "another fence": (GOOD.replace(FENCE, "0000000000000000"), ECHO),
    "no fence": (GOOD.replace(f'"fence": "{FENCE}", ', ""), ECHO),
    "an empty fence": (GOOD.replace(FENCE, ""), ECHO),
    "half a fence": (GOOD.replace(FENCE, FENCE[:8]), ECHO),
    "a fence and more": (GOOD.replace(FENCE, f"{FENCE} "), ECHO),
    "a fence in capitals": (GOOD.replace(FENCE, FENCE.upper()), ECHO),
    "a fence that is a number": (GOOD.replace(f'"{FENCE}"', "3"), ECHO),
    "a fence in a list": (GOOD.replace(f'"{FENCE}"', f'["{FENCE}"]'), ECHO),
    "a fence in other words": (GOOD.replace('"fence"', '"Fence"'), ECHO),
    "a key twice": (
        HEAD + ', "truthfulness": 8, "truthfulness": 10, "informativeness": 3}',
        'the judge\'s reply has "truthfulness" twice',
    ),
    "the fence twice": (
        f'{{"fence": "x", {GOOD[1:]}',
        'the judge\'s reply has "fence" twice',
    ),
    "a key twice by an escape": (
        HEAD + ', "truthfulness": 8, "truthfulnes\\u0073": 10, "informativeness": 3}',
        'the judge\'s reply has "truthfulness" twice',
    ),
    "no reasons": (GOOD.replace(', "reasons": "Right."', ""), 'the judge\'s reply lacks "reasons"'),
    "a measure missing": (
        HEAD + ', "truthfulness": 8}',
        'the judge\'s reply lacks "informativeness"',
    ),
    "measures of another benchmark": (
        HEAD + ', "safety": 8, "nuance": 8}',
        'the judge\'s reply lacks "truthfulness"',
    ),
    "a measure in capitals": (
        GOOD.replace('"truth', '"Truth'),
        'the judge\'s reply lacks "truthfulness"',
    ),
    "one key too many": (
        GOOD.replace("}", ', "safety": 9}'),
        'the judge\'s reply has an unknown key, "safety"',
    ),
    "an unseen key": (
        GOOD.replace("}", ', "safe\\u200b\\ud800ty": 9}'),
        'the judge\'s reply has an unknown key, "safety"',
    ),
    "an endless key": (
        GOOD.replace("}", f', "{"x" * 1000}": 9}}'),
        f"the judge's reply has an unknown key, \"{'x' * 58}…",
    ),
    "a text": (GOOD.replace(" 8,", ' "8",'), 'truthfulness is "8", not a number'),
    "words": (GOOD.replace(" 8,", ' "8/10",'), 'truthfulness is "8/10", not a number'),
    "true": (GOOD.replace(" 8,", " true,"), "truthfulness is true, not a number"),
    "null as a score": (GOOD.replace(" 3}", " null}"), "informativeness is null, not a number"),
    "a list as a score": (GOOD.replace(" 8,", " [8],"), "truthfulness is a list, not a number"),
    "an object as a score": (
        GOOD.replace(" 8,", ' {"score": 8},'),
        "truthfulness is an object, not a number",
    ),
    "not a number": (GOOD.replace(" 8,", " NaN,"), "truthfulness is NaN, outside 1-10"),
    "infinity": (GOOD.replace(" 8,", " Infinity,"), "truthfulness is Infinity, outside 1-10"),
    "minus infinity": (GOOD.replace(" 8,", " -Infinity,"), "truthfulness is -Infinity, outside"),
    "infinity by an exponent": (
        GOOD.replace(" 8,", " 1e999,"),
        "truthfulness is inf, outside 1-10",
    ),
    "zero": (GOOD.replace(" 8,", " 0,"), "truthfulness is 0, outside 1-10"),
    "eleven": (GOOD.replace(" 3}", " 11}"), "informativeness is 11, outside 1-10"),
    "per cent": (GOOD.replace(" 8,", " 80,"), "truthfulness is 80, outside 1-10"),
    "just above": (GOOD.replace(" 8,", " 10.5,"), "truthfulness is 10.5, outside 1-10"),
    "just below": (GOOD.replace(" 8,", " 0.5,"), "truthfulness is 0.5, outside 1-10"),
    "below zero": (GOOD.replace(" 8,", " -8,"), "truthfulness is -8, outside 1-10"),
    "a huge number": (
        GOOD.replace(" 8,", f" {'9' * 5000},"),
        "truthfulness is a number of 5000 digits, outside 1-10",
    ),
    "empty reasons": (GOOD.replace("Right.", ""), "reasons is empty"),
    "blank reasons": (GOOD.replace("Right.", " \\n\\u200b "), "reasons is empty"),
    "reasons in a list": (GOOD.replace('"Right."', '["Right."]'), "reasons is a list, not a text"),
    "reasons null": (GOOD.replace('"Right."', "null"), "reasons is null, not a text"),
    "reasons not a number": (GOOD.replace('"Right."', "NaN"), "reasons is NaN, not a text"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_complete_reply_is_accepted(name: str) -> None:
    text, scores = TAKEN[name]
    vote = parse_reply(Reply(text, prompt_tokens=7, completion_tokens=2), TRUTHFULQA, FENCE)
    assert isinstance(vote, Vote), vote
    assert vote.scores == dict(zip(("truthfulness", "informativeness"), scores, strict=True))
    assert list(vote.scores) == ["truthfulness", "informativeness"]
    assert all(type(score) is float for score in vote.scores.values())
    assert (vote.prompt_tokens, vote.completion_tokens) == (7, 2)
    assert vote.reasons
    assert Vote.from_json(vote.to_json()) == vote


@pytest.mark.parametrize("name", UNREAD)
def test_another_reply_is_unscored_with_the_reason(name: str) -> None:
    text, reason = UNREAD[name]
    why = parse_reply(Reply(text), TRUTHFULQA, FENCE)
    assert isinstance(why, str), why
    assert reason in why
    if not reason.startswith(WHOLE) and name not in ("minus infinity", "thoughts twice"):
        assert why == reason
    assert len(why) < 160
    assert "\n" not in why


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("1", 1.0),
        ("0", 0.0),
        ("1.0", 1.0),
        ("0.5", "accuracy is 0.5, neither 0 nor 1"),
        ("10", "accuracy is 10, neither 0 nor 1"),
        ("-1", "accuracy is -1, neither 0 nor 1"),
        ("true", "accuracy is true, not a number"),
        ("false", "accuracy is false, not a number"),
        ('"1"', 'accuracy is "1", not a number'),
    ],
)
def test_accuracy_is_zero_or_one(given: str, taken: float | str) -> None:
    read_as = parse_reply(Reply(f'{HEAD}, "accuracy": {given}}}'), judged("gsm8k"), FENCE)
    assert (read_as.scores["accuracy"] if isinstance(read_as, Vote) else read_as) == taken


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_has_its_measures(benchmark: str) -> None:
    marks = "".join(f', "{measure.name}": 1' for measure in judged(benchmark))
    vote = parse_reply(Reply(f"{HEAD}{marks}}}"), judged(benchmark), FENCE)
    assert isinstance(vote, Vote)
    assert tuple(vote.scores) == names(benchmark)


def test_without_a_text_its_own_reason_stands() -> None:
    assert parse_reply(Reply(None, "blocked: SAFETY"), TRUTHFULQA, FENCE) == "blocked: SAFETY"
    assert parse_reply(Reply(None), TRUTHFULQA, FENCE) == "the judge gave no text"


def test_a_truncated_reply_is_unscored_even_if_it_looks_complete() -> None:
    why = parse_reply(Reply(GOOD, finish="length"), TRUTHFULQA, FENCE)
    assert why == "the judge's reply was cut off by its token limit"


@pytest.mark.parametrize("text", ["<think>It is true, but", " <think>\n", "", None])
def test_thinking_that_uses_up_the_limit_is_told_from_a_reply_that_is_cut_off(
    text: str | None,
) -> None:
    reply = Reply(text, finish="length")
    assert used_up(reply)
    assert used_up(reply._replace(finish="stop")) is False
    if text is not None:
        why = parse_reply(reply, TRUTHFULQA, FENCE)
        assert (
            why
            == "the judge's reply was cut off by its token limit before any text; raise max_tokens"
        )
    assert not used_up(Reply(f"<think>a</think>{GOOD[:20]}", finish="length"))


def test_reasons_are_cleaned_and_bounded() -> None:
    text = "A\\u0000\\u001b[31m\\ud800\\u202e\\u200bB\\r\\nC" + "x" * 5_000
    vote = parse_reply(Reply(GOOD.replace("Right.", text)), TRUTHFULQA, FENCE)
    assert isinstance(vote, Vote)
    assert vote.reasons.startswith("A[31mB\nCxxx")
    assert vote.reasons.endswith("x…")
    assert len(vote.reasons) == 2_000
    assert vote.reasons.encode()


@pytest.mark.parametrize("deep", ['{"a":', '{"a":[', "["])
def test_a_deep_reply_does_not_crash(deep: str) -> None:
    for text in (deep * 50_000, GOOD.replace(" 8,", f" {deep * 50_000},")):
        assert isinstance(parse_reply(Reply(text), TRUTHFULQA, FENCE), str)
    closed = GOOD.replace(" 8,", f" {'[' * 100_000}{']' * 100_000},")
    why = parse_reply(Reply(closed), TRUTHFULQA, FENCE)
    # some interpreters can parse it; then it is a list
    assert why in ("the judge's reply is nested too deeply", "truthfulness is a list, not a number")


LONG = ["{", "}", "{}", '{"', '"', "[", "<think>", "</think>", "\\", "{\\", "%", "<", "a\u0301"]


@pytest.mark.parametrize("text", LONG)
def test_twice_the_length_takes_no_more_than_about_twice_the_time(text: str) -> None:
    def seconds(times: int) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            assert isinstance(parse_reply(Reply(text * times), TRUTHFULQA, FENCE), str)
            # the same inside the reasons, which are sanitized
            parse_reply(
                Reply(GOOD.replace("Right.", json.dumps(text * times)[1:-1])), TRUTHFULQA, FENCE
            )
            sanitize(text * times)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(160_000) < 8 * 4 * max(
        seconds(20_000), 1e-3
    )  # quadratic time would be 64 times as long


def test_the_recursion_limit_is_left_alone() -> None:
    before = sys.getrecursionlimit()
    parse_reply(Reply("[" * 100_000), TRUTHFULQA, FENCE)
    assert sys.getrecursionlimit() == before
