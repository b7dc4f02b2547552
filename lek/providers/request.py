"""A request to a model behind an API, its reply, and the seam to whoever carries it out."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

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


class Outcome(NamedTuple):
    """A reply, or ``why`` there is none; ``requests`` counts all that were made for it."""

    reply: Reply | None
    why: str | None
    requests: int


class Endpoint(Protocol):
    """A model behind an API. One object may be asked from several threads at once."""

    def ask(self, question: Question) -> Reply:
        """One request, never repeated by the client; raises a `ProviderError`, and nothing else."""


CANCELLED = "cancelled"  # why what nobody asks any more has no vote


_T = TypeVar("_T")


def call_with_timeout(seconds: float, function: Callable[[], _T]) -> _T:
    """The result of ``function``; raises `TimeoutError` if it takes longer than ``seconds``.

    The time-outs of HTTP libraries are per read, so that a slow trickle never trips them. The
    thread is a daemon: one that was abandoned does not hold up the end of the process.
    """
    told: SimpleQueue[tuple[_T, None] | tuple[None, BaseException]] = SimpleQueue()

    def work() -> None:
        try:
            told.put((function(), None))
        except BaseException as fault:  # it is raised again below, where somebody waits for it
            told.put((None, fault))

    Thread(target=work, daemon=True, name="request").start()
    try:
        result, fault = told.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no whole reply after {seconds:g} s") from None
    if fault is not None:
        raise fault
    return result  # type: ignore[return-value]  # there is no fault, so this is the result
