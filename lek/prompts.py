"""A case -> what a subject is asked: one chat message, or bare text where it knows no chat.

Files of prompts, for the sandwich and for abliteration, are read here as well.
"""

from typing import Literal

from lek.records import Case

Message = dict[str, str]
Prompt = str | list[Message]


def prompt_of(case: Case, style: Literal["chat", "plain"]) -> Prompt:
    """The question as it stands in the benchmark, with nothing added.

    No system message, no examples, no instruction on format: subjects are compared as a user
    would meet them. ``plain`` is the bare text, for a model to continue.
    """
    return case.prompt if style == "plain" else chat(case.prompt)


def chat(text: str) -> list[Message]:
    """``text`` as the one message of a user."""
    return [{"role": "user", "content": text}]
