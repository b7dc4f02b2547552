"""Padded batches of token ids for a model, and hooks around the calls of its modules.

Rows are padded on the right: with causal attention, padding does not affect the tokens before it.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

Hook = Callable[..., Any]  # called with the module's own call and its arguments; returns the output
Progress = Callable[[str, int, int], None]  # called with the task, items done, and items in total

_MAX_LOGITS = 2**26  # floats in the logits of one batch: a quarter of a gigabyte


class Batch(NamedTuple):
    """``rows``: the indices of its rows. ``ids``: an mlx array (rows, longest) of int32."""

    rows: list[int]
    ids: Any


@contextmanager
def with_forward_hooks(hooks: Sequence[tuple[Any, Hook]]) -> Iterator[None]:
    """Within the context, call each module of ``hooks`` through the hook that is paired with it.

    The hook belongs to the module object, whatever refers to it: the class of the object is
    replaced by a subclass. If contexts are nested, the hook of the inner one calls that of the
    outer one in place of the module.
    """
    originals: list[tuple[Any, type]] = []
    try:
        for module, hook in reversed(hooks):
            original = type(module)
            originals.append((module, original))
            object.__setattr__(module, "__class__", _hooked_class(original, hook))
        yield
    finally:
        for module, original in reversed(originals):
            object.__setattr__(module, "__class__", original)


def batches(model: Any, rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """Batch ``rows`` by length, so that there is little padding and the logits fit into memory."""
    import mlx.core as mx

    vocabulary = model(mx.array([[0]])).shape[-1]  # lazy: nothing is computed
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    while order:
        longest = len(rows[order[0]])
        size = max(1, _MAX_LOGITS // (longest * vocabulary))
        chosen, order = order[:size], order[size:]
        padded = [[*rows[i], *[0] * (longest - len(rows[i]))] for i in chosen]
        yield Batch(chosen, mx.array(padded, dtype=mx.int32))


def _hooked_class(original: type, hook: Hook) -> type:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return hook(functools.partial(original.__call__, self), *args, **kwargs)

    return type(original.__name__, (original,), {"__call__": call})
