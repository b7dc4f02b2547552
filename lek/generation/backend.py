"""The interface to models: requests with prompts, and their completions."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from lek.profile.schema import Decoding
from lek.records import Case

Message = dict[str, str]
Prompt = str | list[Message]


def prompt_of(case: Case, style: Literal["chat", "plain"]) -> Prompt:
    """Return the prompt of ``case`` as it is in the benchmark, with nothing added.

    There is no system message, example or format instruction, because subjects are compared as
    users would encounter them. ``style``: ``"chat"`` for a user message, ``"plain"`` for the bare
    text, which the model continues.
    """
    return case.prompt if style == "plain" else chat(case.prompt)


def chat(text: str) -> list[Message]:
    """Return ``text`` as a single user message."""
    return [{"role": "user", "content": text}]


class Request(NamedTuple):
    """A prompt for a model. ``id``: identifies it, and seeds its sampling if temperature > 0."""

    id: str
    prompt: Prompt


class Completion(NamedTuple):
    """The result of a request: a ``text``, or the ``reason`` why there is none.

    ``rendered``: the text given to the model, chat template applied. ``seconds``: wall time since
    all requests of the call started. ``thought``: what the model thought, which is not part of
    ``text``; its ``thought_tokens`` are part of ``completion_tokens``.
    """

    id: str
    text: str | None
    rendered: str
    finish: Literal["stop", "length"] | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    reason: str | None = None
    thought: str | None = None
    thought_tokens: int | None = None


class Backend(Protocol):
    """A model that completes prompts."""

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        on_tokens: Callable[[int], None] = lambda count: None,
    ) -> Iterator[Completion]:
        """Yield the completions of all ``requests``, each as soon as it is complete.

        ``on_tokens``: called after each step with the number of tokens generated in it.
        """
