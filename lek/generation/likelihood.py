"""Log-likelihoods that a model gives to choices of answers, each after a context.

What all contexts begin with, such as the examples of a benchmark, is computed once, and the rest of
each context once for all of its choices. Sequences of a batch have the same length up to the
choices, which are padded on the right: in float32, nothing depends on the batch. Logits are
computed only where a token of a choice is predicted.
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from lek.models.exponentials import log_sum_exp
from lek.models.hooks import with_forward_hooks

_CONTEXTS = 64  # at most, in a batch
_MAX_LOGITS = 2**26  # floats in the logits of a batch: a quarter of a gigabyte
_ENOUGH = 48  # tokens in a batch, from which on larger batches are hardly faster
_MOST_PADDED = 1.15  # tokens with padding, relative to those without, in a larger batch


class Choices(NamedTuple):
    """The token ids of a context and of the choices that may follow it, none of them empty."""

    context: Sequence[int]
    choices: Sequence[Sequence[int]]


def log_likelihoods(
    model: Any, questions: Sequence[Choices], rows: int
) -> Iterator[tuple[int, list[float]]]:
    """Yield the index of each of ``questions``, and the log-likelihoods of its choices, in nat.

    The log-likelihood of a choice is the sum over its tokens. ``model``: of mlx_lm. ``rows``: the
    largest number of sequences in a batch. Questions with short contexts come first.
    """
    if not questions:
        return
    shared = _shared([q.context for q in questions])
    start = _Start(model, questions[0].context[:shared])
    order = sorted(range(len(questions)), key=lambda i: len(questions[i].context))
    for _, group in groupby(order, key=lambda i: len(questions[i].context)):
        same_length = list(group)
        size = min(_CONTEXTS, rows)
        for at in range(0, len(same_length), size):
            indices = same_length[at : at + size]
            sums = _group(start, [questions[i] for i in indices], shared, rows)
            yield from zip(indices, sums, strict=True)


def common_start(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both sequences begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shared(contexts: Sequence[Sequence[int]]) -> int:
    """How many tokens all contexts begin with; at least one of each context remains."""
    first, last = min(map(list, contexts)), max(map(list, contexts))  # in the order of tokens
    return min(common_start(first, last), min(map(len, contexts)) - 1)


def _group(
    start: "_Start", questions: Sequence[Choices], shared: int, rows: int
) -> list[list[float]]:
    """The log-likelihoods of the choices of ``questions``, whose contexts have equal lengths."""
    import mlx.core as mx

    contexts = mx.array([list(q.context[shared:]) for q in questions])
    cache = start.cache([0] * len(questions))
    last = start.logits(
        contexts, cache, [(i, contexts.shape[1] - 1) for i in range(len(questions))]
    )
    first = last - log_sum_exp(last)
    all_choices = [(i, n) for i, q in enumerate(questions) for n in range(len(q.choices))]
    heads = mx.array([[i, questions[i].choices[n][0]] for i, n in all_choices])
    sums = [[0.0] * len(q.choices) for q in questions]
    values: Any = first[heads[:, 0], heads[:, 1]].tolist()
    for (i, n), value in zip(all_choices, values, strict=True):
        sums[i][n] = value
    mx.eval([c.state for c in cache])
    longer = [(i, n) for i, n in all_choices if len(questions[i].choices[n]) > 1]
    longer.sort(key=lambda pair: len(questions[pair[0]].choices[pair[1]]))
    vocabulary = last.shape[-1]
    while longer:
        size = _batch(longer, questions, rows, vocabulary)
        batch, longer = longer[:size], longer[size:]
        tokens = [questions[i].choices[n] for i, n in batch]
        widest = max(map(len, tokens)) - 1
        inputs = mx.array([[*t[:-1], *[0] * (widest - len(t) + 1)] for t in tokens])
        positions = [(row, at) for row, t in enumerate(tokens) for at in range(len(t) - 1)]
        logits = start.logits(inputs, _rows(cache, [i for i, _ in batch]), positions)
        targets = mx.array([token for t in tokens for token in t[1:]])
        scores = mx.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        values = (scores - log_sum_exp(logits)[:, 0]).tolist()
        for (row, _), score in zip(positions, values, strict=True):
            i, n = batch[row]
            sums[i][n] += score
    return sums


def _batch(
    pairs: Sequence[tuple[int, int]], questions: Sequence[Choices], rows: int, vocabulary: int
) -> int:
    """How many of ``pairs``, which are sorted by length, to compute together.

    At most ``rows``, and as many as the logits allow; after the first `_ENOUGH` tokens, only those
    that add little padding to the others.
    """
    count = tokens = 0
    for i, n in pairs[:rows]:
        length = len(questions[i].choices[n]) - 1
        padded = (count + 1) * length
        tokens += length
        if count and tokens * vocabulary > _MAX_LOGITS:
            break
        if tokens > _ENOUGH and padded > _MOST_PADDED * tokens:
            break
        count += 1
    return max(count, 1)


class _Start:
    """A model with the keys and values of a beginning that all sequences share."""

    def __init__(self, model: Any, tokens: Sequence[int]) -> None:
        import mlx.core as mx
        from mlx_lm.models.cache import make_prompt_cache

        self._model, self._cache = model, make_prompt_cache(model)
        self._norm = _last_norm(model) if len(self._cache) <= len(model.layers) else None
        step = 2048
        for at in range(0, len(tokens), step):
            part = mx.array([list(tokens[at : at + step])])
            self.logits(part, self._cache, [(0, part.shape[1] - 1)])
            mx.eval([c.state for c in self._cache])

    def cache(self, rows: Sequence[int]) -> list[Any]:
        """A copy of the keys and values, for as many sequences as there are ``rows``."""
        return _rows(self._cache, rows)

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


def _rows(cache: Any, rows: Sequence[int]) -> list[Any]:
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
