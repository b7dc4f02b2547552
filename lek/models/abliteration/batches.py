"""Padded batches of token ids for a model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lek.models.prefix import padded

Progress = Callable[[str, int, int], None]  # called with the task, items done, and items in total

_MAX_LOGITS = 2**26  # floats in the logits of one batch: a quarter of a gigabyte


class Batch(NamedTuple):
    """``rows``: the indices of its rows. ``ids``: an mlx array (rows, longest) of int32."""

    rows: list[int]
    ids: Any


def batches(model: Any, rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """Batch ``rows`` by length, so that there is little padding and the logits fit into memory."""
    numbers = vocabulary(model)
    order = longest_first(rows)
    while order:
        size = max(1, _MAX_LOGITS // (len(rows[order[0]]) * numbers))
        chosen, order = order[:size], order[size:]
        yield Batch(chosen, padded([rows[i] for i in chosen]))


def longest_first(rows: Sequence[Sequence[int]]) -> list[int]:
    """The indices of ``rows`` by decreasing length."""
    return sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))


def vocabulary(model: Any) -> int:
    """The number of tokens to which ``model`` gives logits."""
    import mlx.core as mx

    return int(model(mx.array([[0]])).shape[-1])
