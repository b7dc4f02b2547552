"""A function and a number of seconds -> its result, or `TimeoutError`."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


def within(seconds: float, function: Callable[[], _T]) -> _T:
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
