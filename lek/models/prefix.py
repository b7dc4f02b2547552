"""Sequences with a common beginning, whose keys and values are computed once."""

import copy
from collections.abc import Sequence
from typing import Any

from lek.models.hooks import with_forward_hooks


def common_start(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both sequences begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def shared_start(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all ``sequences`` begin with; at least one of each remains."""
    first, last = min(map(list, sequences)), max(map(list, sequences))  # in the order of tokens
    return min(common_start(first, last), min(map(len, sequences)) - 1)


def padded(rows: Sequence[Sequence[int]]) -> Any:
    """``rows`` as an mlx array (rows, longest) of int32, padded on the right.

    With causal attention, padding affects no token before it.
    """
    import mlx.core as mx

    longest = max(map(len, rows))
    return mx.array([[*row, *[0] * (longest - len(row))] for row in rows], dtype=mx.int32)


class Prefix:
    """A model with the keys and values of a beginning that all sequences share.

    ``parts``: the caches of mlx_lm, for one sequence.
    """

    def __init__(self, model: Any, tokens: Sequence[int]) -> None:
        import mlx.core as mx
        from mlx_lm.models.cache import make_prompt_cache

        self._model, self.parts = model, make_prompt_cache(model)
        self._norm = _last_norm(model) if len(self.parts) <= len(model.layers) else None
        step = 2048
        for at in range(0, len(tokens), step):
            part = mx.array([list(tokens[at : at + step])])
            self.logits(part, self.parts, [(0, part.shape[1] - 1)])
            mx.eval([c.state for c in self.parts])

    def cache(self, rows: Sequence[int]) -> list[Any]:
        """A copy of the keys and values, for as many sequences as there are ``rows``."""
        return rows_of(self.parts, rows)

    def logits(self, inputs: Any, cache: Any, positions: Sequence[tuple[int, int]]) -> Any:
        """The logits (positions, vocabulary) in float32 at each (row, column) of ``inputs``.

        Appends the keys and values of ``inputs`` to ``cache``.
        """
        import mlx.core as mx

        at = mx.array([list(position) for position in positions])

        def chosen(out: Any) -> Any:
            return out[at[:, 0], at[:, 1]]

        if self._norm is None:
            logits = chosen(self._model(inputs, cache=cache))
        else:  # what follows the last norm treats each position by itself
            hook = [(self._norm, lambda call, *args: chosen(call(*args))[None])]
            with with_forward_hooks(hook):
                logits = self._model(inputs, cache=cache)[0]
        return logits.astype(mx.float32)


def _last_norm(model: Any) -> Any:
    """The norm between the blocks of ``model`` and its output head; ``None`` if not found."""
    for _, module in model.named_modules():
        if getattr(module, "layers", None) is model.layers:
            norm = getattr(module, "norm", None)
            if norm is not None:
                return norm
    return None


def rows_of(cache: Any, rows: Sequence[int]) -> list[Any]:
    """A copy of ``cache`` whose sequences are those of ``rows``, in this order."""
    import mlx.core as mx

    index = mx.array(list(rows))
    return [_part(part, index) for part in cache]


def _part(part: Any, index: Any) -> Any:
    """A copy of a cache of one layer, or of a list or array in it, with the rows of ``index``."""
    import mlx.core as mx

    if isinstance(part, mx.array):
        return part[index] if part.ndim > 1 else part
    if isinstance(part, list | tuple):
        return type(part)(_part(p, index) for p in part)
    if hasattr(part, "__dict__"):
        copied = copy.copy(part)
        for name, value in vars(part).items():
            setattr(copied, name, _part(value, index))
        return copied
    return part
