"""Token ids of harmful and harmless prompts -> the directions that may mean refusal.

Difference of means of the residual stream (Arditi et al. 2024, section 2.3), at every layer and
every position of the chat template that follows the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lek.errors import BadInput
from lek.models.abliteration.batches import Progress, batches, with_forward_hooks

_PROBES = ("a", "7", "Why?", "so.")  # four contents, no two of which end alike
_MOST = 12  # positions; a template with more has an instruction in it
_NOTHING = 1e-4  # of the mean's norm: below it a difference is rounding


@dataclass(frozen=True)
class Candidate:
    """A unit vector (hidden,) float32, and where it was found.

    ``layer`` 0 is the embedding, i the output of block i (counted from 1); ``position`` -1 is the
    last token of the prompt, 0 the first of the answer.
    """

    layer: int
    position: int
    direction: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"layer {self.layer}, position {self.position}"


def rendered(tokenizer: Any, prompt: str) -> list[int]:
    """The ids of ``prompt`` as a user's only message, up to where the answer begins."""
    messages = [{"role": "user", "content": prompt}]
    # by the template itself, which writes <bos>: encoding its text would put a second one
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True))


def positions(tokenizer: Any) -> int:
    """How many tokens follow the user's text in every prompt, at least 1."""
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput("abliterate: the tokenizer has no chat template, so it knows no refusals")
    ends = [rendered(tokenizer, probe)[::-1] for probe in _PROBES]
    same = 0
    while same < min(map(len, ends)) and len({end[same] for end in ends}) == 1:
        same += 1
    return min(max(same, 1), _MOST)


def residuals(model: Any, rows: Sequence[Sequence[int]], last: int) -> Iterator[tuple[int, Any]]:
    """The residual stream of each row at its ``last`` positions: (index of the row, states).

    ``states`` is a NumPy array (blocks + 1, last, hidden) in float32, the embedding first.
    """
    import mlx.core as mx
    import numpy as np

    for batch in batches(model, rows):
        ends = np.array([len(rows[i]) for i in batch.rows])
        at = mx.array(ends[:, None] + np.arange(-last, 0)[None])
        seen: list[Any] = []

        def record(call: Any, x: Any, *args: Any, _at: Any = at, _to: Any = seen, **kw: Any) -> Any:
            # cut out at once: later blocks may add to the very array they were given
            lines = mx.arange(_at.shape[0])[:, None]
            if not _to:
                _to.append(x[lines, _at].astype(mx.float32))
            out = call(x, *args, **kw)
            _to.append(out[lines, _at].astype(mx.float32))
            return out

        with with_forward_hooks([(block, record) for block in model.layers]):
            model(batch.ids)
        states = np.array(mx.stack(seen, axis=1))
        yield from zip(batch.rows, states, strict=True)


def candidates(
    model: Any,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    last: int,
    opening: Sequence[int],
    progress: Progress,
) -> list[Candidate]:
    """One direction per layer and position, those without any difference left out.

    Positions are the ``last`` ones of the prompt and, where all answers begin with the same tokens
    (``opening``), theirs as well: what is not yet decided in the prompt is decided there.

    The harmless mean is projected out of the difference of means: of that mean, what the blocks
    wrote. The edit takes all that they write along r, but leaves the embedding, so a harmless
    prompt stays where it was, along r, exactly when r is orthogonal to the rest. (Projecting out
    the whole mean would bring it to 0 only if the embedding were edited too.)
    """
    import numpy as np

    total, done = len(harmful) + len(harmless), 0
    means = []
    for rows in (harmful, harmless):
        mean: Any = 0.0
        begun = [[*row, *opening] for row in rows]
        for _, states in residuals(model, begun, last + len(opening)):
            mean = mean + states.astype(np.float64) / len(rows)
            done += 1
            progress("residual streams", done, total)
        means.append(mean)
    harmful_mean, harmless_mean = means
    found = []
    for layer, (bad, good) in enumerate(zip(harmful_mean, harmless_mean, strict=True)):
        for i in range(last + len(opening)):
            written = good[i] - harmless_mean[0][i]
            unit = written / (np.linalg.norm(written) or 1.0)
            rest = bad[i] - good[i]
            rest = rest - (rest @ unit) * unit
            size = np.linalg.norm(rest)
            if size > _NOTHING * np.linalg.norm(good[i]) and np.isfinite(size):
                direction = (rest / size).astype(np.float32)
                found.append(Candidate(layer, i - last, direction))
    return found
