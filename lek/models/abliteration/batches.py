"""Padded batches of token ids for a model, and hooks around the calls of its modules.

Rows are padded on the right: causal attention keeps what stands before the padding as it is alone.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

Hook = Callable[..., Any]  # (the module's own call, its arguments...) -> the output
Progress = Callable[[str, int, int], None]

_LOGITS = 2**26  # floats in the logits of one batch, a quarter of a gigabyte


class Batch(NamedTuple):
    """``rows`` are the indices of the rows in it, ``ids`` (rows, longest) int32 in an mlx array."""

    rows: list[int]
    ids: Any


@contextmanager
def with_forward_hooks(taps: Sequence[tuple[Any, Hook]]) -> Iterator[None]:
    """For the duration, each module's call goes through the function beside it.

    Works on the one module object, whatever holds it: its class becomes a subclass of its class.
    A module may get another hook inside; the outer one then sees what the inner one made.
    """
    undo: list[tuple[Any, type]] = []
    try:
        for module, around in reversed(taps):
            own = type(module)
            undo.append((module, own))
            object.__setattr__(module, "__class__", _through(own, around))
        yield
    finally:
        for module, own in reversed(undo):
            object.__setattr__(module, "__class__", own)


def batches(model: Any, rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """``rows`` by length, so that little is padded, in batches whose logits fit into memory."""
    import mlx.core as mx

    vocabulary = model(mx.array([[0]])).shape[-1]  # lazy: nothing is computed
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    while order:
        longest = len(rows[order[0]])
        size = max(1, _LOGITS // (longest * vocabulary))
        chosen, order = order[:size], order[size:]
        padded = [[*rows[i], *[0] * (longest - len(rows[i]))] for i in chosen]
        yield Batch(chosen, mx.array(padded, dtype=mx.int32))


def _through(own: type, around: Hook) -> type:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(functools.partial(own.__call__, self), *args, **kwargs)

    return type(own.__name__, (own,), {"__call__": call})
