"""The one seam to models: prompts -> completions, each given as soon as it is complete."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from lek.profile.schema import Decoding
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


class Request(NamedTuple):
    """What to ask. ``id`` names it, and seeds its sampling where there is a temperature."""

    id: str
    prompt: Prompt


class Completion(NamedTuple):
    """What came back: a ``text``, or the ``reason`` why there is none.

    ``rendered`` is the text that the model was given; ``seconds`` is wall time since all that were
    asked together began.
    """

    id: str
    text: str | None
    rendered: str
    finish: Literal["stop", "length"] | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    reason: str | None = None


class Backend(Protocol):
    """A model that can be asked."""

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        generated: Callable[[int], None] = lambda count: None,
    ) -> Iterator[Completion]:
        """Ask all ``requests``; completions come in the order in which they are complete.

        ``generated`` is told how many tokens each step gave.
        """
