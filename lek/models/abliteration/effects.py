"""A model, prompts and edits -> what the model answers, and how far each edit moves it.

Divergences are KL(model || edited) in nat, over the model's own greedy answers: the first token
alone can be the same whatever follows.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lek.models.abliteration.batches import Batch, Progress, batches
from lek.text.degeneration import degenerate
from lek.text.refusals import refusal

Edit = Callable[[], AbstractContextManager[None]]  # within it the model is edited

_AT_ONCE = 64  # answers in a batch: more are no faster
_OPENING = 16  # tokens of an answer that tell whether it is given
_SHARED = 8  # tokens that all answers may share, at most


@dataclass(frozen=True)
class Answer:
    """A greedy answer: its tokens without the one that ends it, and their text."""

    ids: tuple[int, ...]
    text: str

    @cached_property
    def refused(self) -> bool:
        """Whether it declines what was asked."""
        return refusal(self.text) is not None

    @cached_property
    def usable(self) -> bool:
        """Whether it is an answer: neither a refusal nor degenerate."""
        return not self.refused and degenerate(self.text) is None


@dataclass(frozen=True)
class Asked:
    """Prompts as token ids, and the answers to them."""

    prompts: list[list[int]]
    said: list[Answer]

    def only(self, rows: Iterable[int]) -> "Asked":
        """Some of them, by index."""
        chosen = list(rows)
        return Asked([self.prompts[i] for i in chosen], [self.said[i] for i in chosen])


def opening(asked: Sequence[Asked]) -> tuple[int, ...]:
    """The tokens with which all answers begin, such as those that open a train of thought."""
    said = [answer.ids for part in asked for answer in part.said]
    same = 0
    while same < min(_SHARED, *map(len, said)) and len({ids[same] for ids in said}) == 1:
        same += 1
    return said[0][:same]


class Shift(NamedTuple):
    """What an edit does to one answer of the model as it was.

    ``first`` and ``answer`` are KL at the first token and averaged over the answer: each token of
    it, and its end unless it was cut. ``logp`` is the change of the log-likelihood of its first
    16 tokens: after a refusal's first words the rest of it is likely whatever was edited.
    """

    first: float
    answer: float
    logp: float


class Effects:
    """What a model does, and what edits do to it. It is as it was after each call."""

    def __init__(self, model: Any, tokenizer: Any, max_tokens: int, progress: Progress) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._max_tokens, self.progress = max_tokens, progress

    def ask(self, *parts: list[list[int]], what: str | None = None) -> list[Asked]:
        """The greedy answers to the prompts of all ``parts``, at most ``max_tokens`` long."""
        from mlx_lm import batch_generate

        prompts = [prompt for part in parts for prompt in part]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        said: dict[int, Answer] = {}
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            made = batch_generate(
                self._model,
                self._tokenizer,
                [prompts[i] for i in some],
                max_tokens=self._max_tokens,
                return_token_ids=True,
                completion_batch_size=_AT_ONCE,
                prefill_batch_size=16,
            )
            for i, ids in zip(some, made.token_ids or (), strict=True):
                text = self._tokenizer.decode(ids, skip_special_tokens=True)
                said[i] = Answer(tuple(ids), text)
            if what is not None:
                self.progress(what, len(said), len(prompts))
        in_order = (said[i] for i in range(len(prompts)))
        return [Asked(part, [next(in_order) for _ in part]) for part in parts]

    def shifts(self, asked: Asked, edits: Sequence[Edit], what: str) -> list[list[Shift]]:
        """For each edit, for each prompt of ``asked``: how the edit moves the answer to it."""
        rows = [[*p, *a.ids] for p, a in zip(asked.prompts, asked.said, strict=True)]
        result: list[dict[int, Shift]] = [{} for _ in edits]
        done = 0
        for batch in batches(self._model, rows):
            lines = self._lines(batch, asked)
            before = self._logps(batch, lines)
            for found, edit in zip(result, edits, strict=True):
                with edit():
                    kl, logp = _compare(before, self._logps(batch, lines), lines)
                found.update(_by_row(lines, kl, logp))
                done += len(batch.rows)
                self.progress(what, done, len(rows) * len(edits))
        return [[found[i] for i in range(len(rows))] for found in result]

    def _lines(self, batch: Batch, asked: Asked) -> list["_Line"]:
        lines = []
        for place, row in enumerate(batch.rows):
            before, ids = len(asked.prompts[row]) - 1, asked.said[row].ids
            # one more than it has tokens: that it ends there is part of the answer
            for i in range(min(len(ids) + 1, self._max_tokens)):
                opening = i < min(len(ids), _OPENING)
                lines.append(_Line(row, place, before + i, ids[i] if opening else None))
        return lines

    def _logps(self, batch: Batch, lines: Sequence["_Line"]) -> Any:
        """Log-probabilities (lines, vocabulary) in float32."""
        import mlx.core as mx

        at = mx.array([[line.place, line.position] for line in lines])
        logits = self._model(batch.ids)[at[:, 0], at[:, 1]].astype(mx.float32)
        logps = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        mx.eval(logps)
        return logps


class _Line(NamedTuple):
    """A position of a batch that predicts a part of the answer to prompt ``row``."""

    row: int
    place: int
    position: int
    token: int | None


def _compare(before: Any, after: Any, lines: Sequence[_Line]) -> tuple[Any, Any]:
    import mlx.core as mx

    kl = (mx.exp(before) * (before - after)).sum(-1)
    token = mx.array([line.token or 0 for line in lines])[:, None]
    return kl.tolist(), mx.take_along_axis(after - before, token, axis=-1)[:, 0].tolist()


def _by_row(lines: Sequence[_Line], kl: Sequence[float], logp: Sequence[float]) -> dict[int, Shift]:
    of: dict[int, list[int]] = {}
    for i, line in enumerate(lines):
        of.setdefault(line.row, []).append(i)
    return {
        row: Shift(
            max(kl[own[0]], 0.0),  # below 0 is rounding
            max(sum(kl[i] for i in own) / len(own), 0.0),
            sum(logp[i] for i in own if lines[i].token is not None),
        )
        for row, own in of.items()
    }
