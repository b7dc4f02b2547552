"""Padded batches of token ids for a model.

Rows are padded on the right: with causal attention, padding does not affect the tokens before it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

Progress = Callable[[str, int, int], None]  # called with the task, items done, and items in total

_MAX_LOGITS = 2**26  # floats in the logits of one batch: a quarter of a gigabyte


class Batch(NamedTuple):
    """``rows``: the indices of its rows. ``ids``: an mlx array (rows, longest) of int32."""

    rows: list[int]
    ids: Any


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
