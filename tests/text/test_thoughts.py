"""Thoughts are separated from answers, and nothing is lost."""

import pytest

from lek.text.thoughts import split


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("Paris.", None, "Paris."),
        (" Paris.\n", None, " Paris.\n"),
        ("<think>\nFrance?\n</think>\n\nParis.", "France?", "Paris."),
        ("<think>\n\n</think>\n\nParis.", "", "Paris."),
        ("France?</think>Paris.", "France?", "Paris."),
        ("<think>a</think>One.<think>b</think> Two.", "a\nb", "One. Two."),
        ("a</think>One.<think>b</think> Two.", "a\nb", "One. Two."),
        ("<think>no end", "no end", None),
        ("  <think>no end", "no end", None),
        ("<think>a</think> <think>no end", "a\nno end", None),
        ("The tag <think> opens a thought.", None, "The tag <think> opens a thought."),
        ("<think>a</think>", "a", ""),
        ("", None, ""),
    ],
)
def test_thought_and_answer(text: str, thought: str | None, answer: str | None) -> None:
    assert split(text) == (thought, answer)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("France?\n</think>\nParis.", "France?", "Paris."),
        ("France? Paris.", "France? Paris.", None),
        ("<think>France?</think>Paris.", "France?", "Paris."),
        ("<think>no end", "no end", None),
    ],
)
def test_a_thought_that_the_prompt_has_opened(text: str, thought: str, answer: str | None) -> None:
    assert split(text, is_open=True) == (thought, answer)


def test_the_marks_of_a_tokenizer() -> None:
    text = "[THINK]<think>[/THINK]</think>."
    assert split(text, "[THINK]", "[/THINK]") == ("<think>", "</think>.")
