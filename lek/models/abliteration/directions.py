"""Candidate refusal directions from the residual streams of harmful and harmless prompts.

Each is a difference of means of the residual stream (Arditi et al. 2024, section 2.3), for every
layer and every position of the chat template after the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lek.errors import BadInput
from lek.models.abliteration.batches import Progress, batches, with_forward_hooks

_PROBES = ("a", "7", "Why?", "so.")  # four prompts, no two of which have the same ending
_MAX_POSITIONS = 12  # a template with more has an instruction in it
_MIN_DIFFERENCE = 1e-4  # relative to the norm of the mean: anything below is rounding


@dataclass(frozen=True)
class Candidate:
    """A unit vector ``direction`` (hidden,) in float32, and where in the model it was measured.

    ``layer``: 0 is the embedding, i the output of block i (counted from 1). ``position``: -1 is the
    last token of the prompt, 0 the first of the answer.
    """

    layer: int
    position: int
    direction: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"layer {self.layer}, position {self.position}"


def rendered(tokenizer: Any, prompt: str) -> list[int]:
    """Token ids of ``prompt`` as the only user message, up to the start of the answer."""
    messages = [{"role": "user", "content": prompt}]
    # tokenized by the template call: the template writes <bos>, and encoding its text would add
    # a second one
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True))


def positions(tokenizer: Any) -> int:
    """Return how many tokens follow the user's text in every prompt, at least 1.

    Raises `BadInput` if the tokenizer has no chat template.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput(
            "abliterate: the tokenizer has no chat template, so the model cannot refuse a request; "
            "give a chat model"
        )
    reversed_ids = [rendered(tokenizer, probe)[::-1] for probe in _PROBES]
    shared = 0
    while shared < min(map(len, reversed_ids)) and len({ids[shared] for ids in reversed_ids}) == 1:
        shared += 1
    return min(max(shared, 1), _MAX_POSITIONS)


def residuals(model: Any, rows: Sequence[Sequence[int]], last: int) -> Iterator[tuple[int, Any]]:
    """Yield the residual stream at the ``last`` positions of each row, as (row index, states).

    ``states`` is a NumPy array (blocks + 1, last, hidden) in float32; the embedding comes first.
    Of the parallel streams of Gemma 3n (AltUp), it is the one that attention and MLP read.
    """
    import mlx.core as mx
    import numpy as np

    def active(stream: Any) -> Any:
        return stream[model.layers[0].config.altup_active_idx] if stream.ndim == 4 else stream

    for batch in batches(model, rows):
        ends = np.array([len(rows[i]) for i in batch.rows])
        at = mx.array(ends[:, None] + np.arange(-last, 0)[None])
        streams: list[Any] = []

        def record(
            call: Any, x: Any, *args: Any, _at: Any = at, _to: Any = streams, **kwargs: Any
        ) -> Any:
            # copied at once, because a later block may add to the array that it receives in place
            rows_of_batch = mx.arange(_at.shape[0])[:, None]
            if not _to:
                _to.append(active(x)[rows_of_batch, _at].astype(mx.float32))
            out = call(x, *args, **kwargs)
            _to.append(active(out)[rows_of_batch, _at].astype(mx.float32))
            return out

        with with_forward_hooks([(block, record) for block in model.layers]):
            model(batch.ids)
        states = np.array(mx.stack(streams, axis=1))
        yield from zip(batch.rows, states, strict=True)


def candidates(
    model: Any,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    last: int,
    opening: Sequence[int],
    progress: Progress,
) -> list[Candidate]:
    """Return one direction per layer and position, except where the means do not differ.

    ``harmful`` and ``harmless`` are token ids of prompts. Positions are the ``last`` ones of the
    prompt and those of ``opening``, the tokens with which all answers begin: what is not yet
    decided in the prompt is decided there. ``progress``: called after each prompt.

    From the difference of means, the part of the harmless mean that the blocks wrote is projected
    out. The edit removes everything that the blocks write along r but leaves the embedding, so the
    component of a harmless prompt along r is unchanged exactly if r is orthogonal to what the
    blocks write. (Projecting out the whole mean would be right only if the edit changed the
    embedding too.)
    """
    import numpy as np

    total, done = len(harmful) + len(harmless), 0
    means = []
    for rows in (harmful, harmless):
        mean: Any = 0.0
        prompts = [[*row, *opening] for row in rows]
        for _, states in residuals(model, prompts, last + len(opening)):
            mean = mean + states.astype(np.float64) / len(rows)
            done += 1
            progress("residual streams", done, total)
        means.append(mean)
    harmful_mean, harmless_mean = means
    directions = []
    for layer, (bad, good) in enumerate(zip(harmful_mean, harmless_mean, strict=True)):
        for i in range(last + len(opening)):
            written = good[i] - harmless_mean[0][i]
            unit = written / (np.linalg.norm(written) or 1.0)
            difference = bad[i] - good[i]
            difference = difference - (difference @ unit) * unit
            norm = np.linalg.norm(difference)
            if norm > _MIN_DIFFERENCE * np.linalg.norm(good[i]) and np.isfinite(norm):
                direction = (difference / norm).astype(np.float32)
                directions.append(Candidate(layer, i - last, direction))
    return directions
