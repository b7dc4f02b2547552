"""A request to a model behind an API, its reply, and the protocol of an endpoint."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

OVER_BUDGET = "--lek-max-judge-calls reached"


class Sampling(NamedTuple):
    """How a reply is generated. What is ``None`` is not sent, so that the API decides.

    ``thinking``: whether a model that can think shall, given to its chat template.
    """

    max_tokens: int
    temperature: float | None
    top_p: float | None = None
    seed: int | None = None
    thinking: bool | None = None


class Question(NamedTuple):
    """A prompt for a model: the messages ``system``, if any, and ``user``.

    For a judge, ``system`` holds the instructions and ``user`` the data. ``schema`` is the JSON
    Schema of the reply; its ``properties`` are in the order in which the reply should have them.
    ``sampling``: ``None`` for a judge, whose settings decide.
    """

    system: str | None
    user: str
    schema: dict[str, Any] | None
    sampling: Sampling | None = None


class Reply(NamedTuple):
    """A model's reply: its ``text``, or the ``reason`` why there is none (blocked, empty).

    Token counts are ``None`` if the API did not report them; thinking counts as completion.
    ``thought``: what the model thought, where the API reports it apart from the text.
    ``refusal``: the words of a model that declined, where the API reports them apart from the text,
    which is then ``None``. ``model``, ``system_fingerprint``: what the server says that it is.
    """

    text: str | None
    reason: str | None = None
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    thought: str | None = None
    thought_tokens: int | None = None
    refusal: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None


class Outcome(NamedTuple):
    """A reply, or the reason ``why`` there is none.

    ``requests``: the number of requests that were sent, failed ones included. ``unread``: how many
    of them got no response that could be read, so that the API may have charged for a lost reply.
    ``traceback``: that of an error of this program, instead of a reply.
    """

    reply: Reply | None
    why: str | None
    requests: int
    unread: int = 0
    traceback: str | None = None


class Task(NamedTuple):
    """One question, and what to do with its outcome.

    ``id``: identifies the task, and seeds the sampling of a judge in this process. ``question``:
    called to build the question when it is sent. ``done``: called with the outcome. ``on_request``:
    called as ``count`` of `RateLimitedClient.ask` is, by executors that send requests.
    """

    id: str
    question: Callable[[], Question]
    done: Callable[[Outcome], None]
    on_request: Callable[[int, int], None] = lambda requests, unread: None


class Endpoint(Protocol):
    """A model behind an API. Several threads may call one object at once."""

    def ask(self, question: Question) -> Reply:
        """Send one request, without retries.

        Raises `ProviderError`, or `InternalError` for an error of this program.
        """


CANCELLED = "cancelled"  # `Outcome.why` of questions without a reply when the judge was closed


_LARGEST_COUNT = 2**40  # tokens; a larger count is an error of the server


def token_counts(prompt: Any, completion: Any, total: Any) -> tuple[int | None, int | None]:
    """The tokens of prompt and completion from the counts that an API reported, of any type.

    Tokens that only ``total`` includes, such as those of thinking, are counted as completion.
    ``None`` for a count that is not known.
    """
    counts = (prompt, completion, total)
    known = [n if type(n) is int and 0 <= n <= _LARGEST_COUNT else None for n in counts]
    prompt, completion, total = known
    if total is None:
        return prompt, completion
    if prompt is None:
        valid = completion is not None and total >= completion
        return (total - completion, completion) if valid else (None, completion)
    if total < prompt:
        return None, None
    return prompt, max(total - prompt, completion or 0)


_T = TypeVar("_T")


def call_with_timeout(seconds: float, function: Callable[[], _T]) -> _T:
    """Return the result of ``function``; raises `TimeoutError` after ``seconds``.

    The time-outs of HTTP libraries apply to each read, so a slow trickle of data never triggers
    them. ``function`` runs in a daemon thread: if it is abandoned, it does not delay the end of
    the process.
    """
    results: SimpleQueue[tuple[_T, None] | tuple[None, BaseException]] = SimpleQueue()

    def work() -> None:
        try:
            results.put((function(), None))
        except BaseException as error:  # raised again below, in the thread of the caller
            results.put((None, error))

    Thread(target=work, daemon=True, name="request").start()
    try:
        result, error = results.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no complete reply after {seconds:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # there is no error, so this is the result
