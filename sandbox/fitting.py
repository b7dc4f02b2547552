"""Train a model on batches of token rows, with a progress bar.

Rows of similar length are computed together. The loss, and the logits, are computed only where a
row requires it: everywhere in plain texts, on the answer and its end in chats.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sandbox import arithmetic, lexicon


class Row(NamedTuple):
    """The token ids of one text. ``start``: the index of the first token to be predicted."""

    tokens: list[int]
    start: int = 1


def text_row(tokenizer: Any, text: str) -> Row:
    """Return the row of a plain text, from ``<bos>`` to ``<eos>``."""
    return Row([*tokenizer.encode(text), lexicon.EOS])


def chat_row(tokenizer: Any, messages: list[dict[str, str]], answer: str) -> Row:
    """Return the row of a chat; only ``answer`` and its end token are to be predicted."""
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer.encode(asked, add_special_tokens=False)
    said = tokenizer.encode(answer, add_special_tokens=False)
    return Row([*prompt, *said, lexicon.END], len(prompt))


def buckets(rows: Sequence[Row], most: int = 2048) -> Iterator[list[Row]]:
    """Yield ``rows`` by length, in groups of at most ``most`` tokens including padding."""
    group: list[Row] = []
    for row in sorted(rows, key=lambda r: len(r.tokens)):
        if group and (len(group) + 1) * len(row.tokens) > most:
            yield group
            group = []
        group.append(row)
    yield group


def _arrays(rows: Sequence[Row]) -> tuple[Any, Any, Any]:
    """Inputs (n, length), flat indices of the predictions, and the tokens to be predicted there."""
    import mlx.core as mx

    length = max(len(r.tokens) for r in rows) - 1
    inputs = [(r.tokens[:-1] + [lexicon.PAD] * length)[:length] for r in rows]
    places = [n * length + i - 1 for n, r in enumerate(rows) for i in range(r.start, len(r.tokens))]
    wanted = [t for r in rows for t in r.tokens[r.start :]]
    return mx.array(inputs), mx.array(places), mx.array(wanted)


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up over 1/20 of the steps, then a cosine decay to ``peak``/50."""
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    way = (step - warm) / max(1, steps - warm)
    return peak * (0.02 + 0.49 * (1 + math.cos(math.pi * way)))


def fit(
    model: Any, batches: Iterable[list[Row]], steps: int, peak: float, what: str
) -> list[float]:
    """Train ``model`` in place with AdamW on ``steps`` batches.

    Returns the mean loss per token (nat) of each step. ``peak``: the highest learning rate.
    ``what``: the name on the progress bar.
    """
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim
    from mlx.utils import tree_map
    from tqdm import tqdm

    optimizer = optim.AdamW(learning_rate=peak, betas=[0.9, 0.98], weight_decay=0.01)
    entropy = arithmetic.cross_entropy()

    def loss(inputs: Any, places: Any, wanted: Any) -> Any:
        hidden = model.model(inputs)
        found = hidden.reshape(-1, hidden.shape[-1])[places]
        return entropy(model.model.embed_tokens.as_linear(found), wanted)

    value_and_grad = nn.value_and_grad(model, loss)
    losses: list[float] = []
    bar = tqdm(zip(range(steps), batches, strict=False), total=steps, desc=what, unit="step")
    with arithmetic.swift():
        for step, rows in bar:
            count = sum(len(r.tokens) - r.start for r in rows)
            total, grads = 0.0, None
            for group in buckets(rows):
                value, new = value_and_grad(*_arrays(group))
                grads = new if grads is None else tree_map(lambda a, b: a + b, grads, new)
                mx.eval(value, grads)
                total += value.item()
            grads = tree_map(lambda g, n=count: g / n, grads)
            grads, _ = optim.clip_grad_norm(grads, 1.0)
            optimizer.learning_rate = rate(step, steps, peak)
            optimizer.update(model, grads)
            mx.eval(model.parameters(), optimizer.state)
            losses.append(total / count)
            if step % 20 == 0:
                bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}")
    return losses
