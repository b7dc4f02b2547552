"""Log-likelihoods that a model gives to choices of answers, each after a context.

What all contexts begin with, such as the examples of a benchmark, is computed once, and the rest of
each context once for all of its choices. Sequences of a batch have the same length up to the
choices, which are padded on the right: in float32, nothing depends on the batch. Logits are
computed only where a token of a choice is predicted.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from lek.models.exponentials import log_sum_exp
from lek.models.prefix import Prefix, padded, rows_of, shared_start

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
    shared = shared_start([q.context for q in questions])
    start = Prefix(model, questions[0].context[:shared])
    order = sorted(range(len(questions)), key=lambda i: len(questions[i].context))
    for _, group in groupby(order, key=lambda i: len(questions[i].context)):
        same_length = list(group)
        size = min(_CONTEXTS, rows)
        for at in range(0, len(same_length), size):
            indices = same_length[at : at + size]
            sums = _group(start, [questions[i] for i in indices], shared, rows)
            yield from zip(indices, sums, strict=True)


def _group(
    start: Prefix, questions: Sequence[Choices], shared: int, rows: int
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
        inputs = padded([t[:-1] for t in tokens])
        positions = [(row, at) for row, t in enumerate(tokens) for at in range(len(t) - 1)]
        logits = start.logits(inputs, rows_of(cache, [i for i, _ in batch]), positions)
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
