"""The one seam to models: prompts -> completions, each given as soon as it is complete."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from lek.profile.schema import Decoding
from lek.prompts import Prompt


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


OVER_BUDGET = "--lek-max-judge-calls reached"


class Question(NamedTuple):
    """What a judge is asked: its instructions, then the data; ``schema`` is that of the reply.

    ``schema`` is a JSON Schema; its ``properties`` stand in the order in which they are wanted.
    """

    system: str
    user: str
    schema: dict[str, Any]


class Reply(NamedTuple):
    """What a judge said: a ``text``, or the ``reason`` why there is none (blocked, empty).

    Tokens are ``None`` where the API did not say; thinking counts as completion.
    """

    text: str | None
    reason: str | None = None
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Endpoint(Protocol):
    """A model behind an API. One object may be asked from several threads at once."""

    def ask(self, question: Question) -> Reply:
        """One request, never repeated by the client; raises a `Fault`, and nothing else."""
