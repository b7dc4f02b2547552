"""The interface to models: requests with prompts, and their completions."""

from collections.abc import Callable, Generator, Sequence
from typing import Literal, NamedTuple, Protocol

from lek.profile.schema import Decoding
from lek.records import Case

Message = dict[str, str]
Chat = list[Message]


class Question(NamedTuple):
    """A prompt for the likelihoods of ``choices``, each of which may follow ``context``.

    ``form``: the text that follows, with ``{choice}`` in the place of a choice.
    """

    context: str | Chat
    choices: tuple[str, ...]
    form: str


Prompt = str | Chat | Question


def prompt_of(case: Case, style: Literal["chat", "plain"]) -> str | Chat:
    """Return the prompt of ``case`` as it is in the benchmark, with nothing added.

    There is no system message, example or format instruction, because subjects are compared as
    users would encounter them. ``style``: ``"chat"`` for a user message, ``"plain"`` for the bare
    text, which the model continues.
    """
    return case.prompt if style == "plain" else chat(case.prompt)


def chat(text: str) -> Chat:
    """Return ``text`` as a single user message."""
    return [{"role": "user", "content": text}]


class Request(NamedTuple):
    """A prompt for a model. ``id``: identifies it, and seeds its sampling if temperature > 0."""

    id: str
    prompt: Prompt


class Completion(NamedTuple):
    """The result of a request: a ``text``, or the ``reason`` why there is none.

    For a `Question` it is ``likelihoods``: by choice, the logarithm (nat) of its probability.
    ``rendered``: the text given to the model, chat template applied; of a served model, which does
    not report it, the messages as JSON. ``seconds``: wall time since all requests of the call
    started; of a served model, since this request was sent. ``thought``: what the model thought,
    which is not part of ``text``; its ``thought_tokens`` are part of ``completion_tokens``.
    ``final``: whether another request would have the same result. Token counts are ``None`` if a
    server did not report them.
    """

    id: str
    text: str | None
    rendered: str
    finish: Literal["stop", "length"] | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    reason: str | None = None
    thought: str | None = None
    thought_tokens: int | None = None
    final: bool = True
    likelihoods: dict[str, float] | None = None


class Backend(Protocol):
    """A model that completes prompts."""

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        on_tokens: Callable[[int], None] = lambda count: None,
    ) -> Generator[Completion]:
        """Yield the completions of all ``requests``, each as soon as it is complete.

        ``on_tokens``: called after each step with the number of tokens generated in it.
        """


class Models(Protocol):
    """The models of some subjects, by the name of the subject.

    ``code``: the files that compute an answer, for `code_digest`.
    """

    code: tuple[str, ...]

    def at_hand(self) -> bool:
        """Whether `fingerprint` needs no download."""

    def fingerprint(self, subject: str) -> str:
        """Return what identifies the model of ``subject``, without loading it."""

    def dated(self, subject: str) -> bool:
        """Whether the model's prompts contain the date, so that its answers change daily."""

    def backend(self, subject: str) -> Backend:
        """Return the model of ``subject``, ready to complete prompts."""

    def unload(self, subject: str | None = None) -> None:
        """Free the memory of models; with ``subject``, only of that subject's."""
