"""Measure what a model answers, and how far each edit changes its answers.

Divergences are KL(model || edited) in nat, over the model's own greedy answers and not their first
token alone, which can be the same whatever follows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lek.models.abliteration.batches import Progress, longest_first, vocabulary
from lek.models.exponentials import log_sum_exp
from lek.models.greedy import Likeliest
from lek.models.prefix import Prefix, padded, shared_start
from lek.text.degeneration import degenerate
from lek.text.refusals import Refusal, refusal

Edit = Callable[[], AbstractContextManager[None]]  # returns a context in which the model is edited

_BATCH_SIZE = 64  # answers per batch
_MAX_LOGITS = 2**24  # floats in the logits of one batch: 64 MiB
_LOGP_TOKENS = 16  # tokens of an answer that decide whether it is a refusal
_MAX_OPENING = 8  # tokens


@dataclass(frozen=True)
class Answer:
    """A greedy answer: its token ids without the final stop token, and their text."""

    ids: tuple[int, ...]
    text: str

    @cached_property
    def _refusal(self) -> Refusal | None:
        return refusal(self.text)

    @property
    def refused(self) -> bool:
        """Whether the answer is a refusal, full or partial."""
        return self._refusal is not None

    @property
    def partly_refused(self) -> bool:
        """Whether the answer declines, then complies."""
        return self._refusal is not None and self._refusal.kind == "partial"

    @cached_property
    def usable(self) -> bool:
        """Whether the answer is neither a refusal nor degenerate."""
        return not self.refused and degenerate(self.text) is None


@dataclass(frozen=True)
class AnsweredPrompts:
    """Prompts as token ids, and the model's answers ``said``, in the same order."""

    prompts: list[list[int]]
    answers: list[Answer]

    def __add__(self, other: "AnsweredPrompts") -> "AnsweredPrompts":
        return AnsweredPrompts(self.prompts + other.prompts, self.answers + other.answers)

    def only(self, rows: Iterable[int]) -> "AnsweredPrompts":
        """Return the prompts and answers with the indices ``rows``."""
        chosen = list(rows)
        return AnsweredPrompts([self.prompts[i] for i in chosen], [self.answers[i] for i in chosen])


def opening(asked: Sequence[AnsweredPrompts]) -> tuple[int, ...]:
    """Return the tokens with which all answers begin, such as those that start the reasoning.

    At most 8 tokens.
    """
    answers = [answer.ids for part in asked for answer in part.answers]
    shared = 0
    while (
        shared < min(_MAX_OPENING, *map(len, answers))
        and len({ids[shared] for ids in answers}) == 1
    ):
        shared += 1
    return answers[0][:shared]


class Shift(NamedTuple):
    """What an edit does to one answer of the unedited model, in nat.

    ``first``: KL at the first token. ``answer``: mean KL over the tokens of the answer, including
    its end unless it was cut off. ``logp``: change of the log-likelihood of the first 16 tokens;
    only these, because the rest of a refusal is likely after its first words, whatever the edit.
    """

    first: float
    answer: float
    logp: float


class Effects:
    """Measures a model's answers and the effects of edits; each call leaves the model unchanged.

    ``max_tokens``: maximum length of an answer. ``progress``: called after each batch.
    """

    def __init__(self, model: Any, tokenizer: Any, max_tokens: int, progress: Progress) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._max_tokens, self.progress = max_tokens, progress

    def ask(self, *parts: list[list[int]], what: str | None = None) -> list[AnsweredPrompts]:
        """Generate greedy answers of at most ``max_tokens`` to the prompts of all ``parts``.

        ``what``: the name of the task in the progress display; ``None`` shows none.
        """
        from mlx_lm import batch_generate

        prompts = [prompt for part in parts for prompt in part]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        answers: dict[int, Answer] = {}
        likeliest = Likeliest(self._model)
        for start in range(0, len(order), _BATCH_SIZE):
            batch = order[start : start + _BATCH_SIZE]
            with _caches_growing_by(self._max_tokens):
                generated = batch_generate(
                    likeliest,
                    self._tokenizer,
                    [prompts[i] for i in batch],
                    max_tokens=self._max_tokens,
                    return_token_ids=True,
                    sampler=likeliest.sample,
                    completion_batch_size=_BATCH_SIZE,
                    prefill_batch_size=16,
                )
            for i, ids in zip(batch, generated.token_ids or (), strict=True):
                text = self._tokenizer.decode(ids, skip_special_tokens=True)
                answers[i] = Answer(tuple(ids), text)
            if what is not None:
                self.progress(what, len(answers), len(prompts))
        in_order = (answers[i] for i in range(len(prompts)))
        return [AnsweredPrompts(part, [next(in_order) for _ in part]) for part in parts]

    def shifts(
        self,
        asked: AnsweredPrompts,
        edits: Sequence[Edit],
        what: str,
        *,
        tokens: int | None = None,
    ) -> list[list[Shift]]:
        """Return, for each edit and each prompt of ``asked``, how the edit changes the answer.

        ``what``: the name of the task in the progress display. ``tokens``: how many tokens of an
        answer to look at (default: all).
        """
        import mlx.core as mx

        limit = self._max_tokens if tokens is None else tokens
        shared = shared_start(asked.prompts)
        beginning = asked.prompts[0][:shared]
        shifts_by_edit: list[dict[int, Shift]] = [{} for _ in edits]
        done, start = 0, Prefix(self._model, beginning)
        for batch in self._batches(asked, limit):
            before = batch.logps(start, shared)
            weights = mx.exp(before)
            mx.eval(weights)
            for shifts, edit in zip(shifts_by_edit, edits, strict=True):
                with edit():
                    after = batch.logps(Prefix(self._model, beginning), shared)
                kl = (weights * (before - after)).sum(-1).tolist()
                logp = batch.of_tokens(after - before)
                shifts.update(_by_row(batch.predictions, kl, logp))
                done += len(batch.rows)
                self.progress(what, done, len(asked.prompts) * len(edits))
        return [[shifts[i] for i in range(len(asked.prompts))] for shifts in shifts_by_edit]

    def _batches(self, asked: AnsweredPrompts, limit: int) -> Iterator["_Batch"]:
        """Batch prompts and the first ``limit`` tokens of their answers, by their lengths."""
        rows = [
            [*p, *a.ids[: limit - 1]] for p, a in zip(asked.prompts, asked.answers, strict=True)
        ]
        order = longest_first(rows)
        size = max(1, _MAX_LOGITS // (limit * vocabulary(self._model)))
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            predictions = []
            for batch_row, row in enumerate(chosen):
                first, ids = len(asked.prompts[row]) - 1, asked.answers[row].ids
                # one more than there are tokens, because the end is part of the answer
                for i in range(min(len(ids) + 1, limit)):
                    token = ids[i] if i < min(len(ids), _LOGP_TOKENS) else None
                    predictions.append(_Prediction(row, batch_row, first + i, token))
            yield _Batch([rows[i] for i in chosen], predictions)


@contextmanager
def _caches_growing_by(tokens: int) -> Iterator[None]:
    """Within the context, keys and values of batches get room for ``tokens`` more, not for 256.

    With 64 short answers this halves the memory of SmolLM2.
    """
    from mlx_lm.models.cache import BatchKVCache, KVCache

    kinds: list[Any] = [KVCache, BatchKVCache]
    steps = [kind.step for kind in kinds]
    for kind in kinds:
        kind.step = min(tokens, kind.step)
    try:
        yield
    finally:
        for kind, step in zip(kinds, steps, strict=True):
            kind.step = step


@dataclass(frozen=True)
class _Batch:
    """Prompts with their answers, as token ids, and the predictions of the answers' tokens."""

    rows: list[list[int]]
    predictions: list["_Prediction"]

    def logps(self, prefix: Prefix, shared: int) -> Any:
        """Log-probabilities (predictions, vocabulary) in float32.

        ``prefix``: the model with the first ``shared`` tokens, which are the same in all rows.
        """
        import mlx.core as mx

        ids = padded([row[shared:] for row in self.rows])
        at = [(p.batch_row, p.position - shared) for p in self.predictions]
        logits = prefix.logits(ids, prefix.cache([0] * len(self.rows)), at)
        logps = logits - log_sum_exp(logits)
        mx.eval(logps)
        return logps

    def of_tokens(self, values: Any) -> list[float]:
        """Those of ``values`` (predictions, vocabulary) for the predicted tokens, where known."""
        import mlx.core as mx

        token: Any = mx.array([p.token or 0 for p in self.predictions])[:, None]
        found: Any = mx.take_along_axis(values, token, axis=-1)[:, 0].tolist()
        return [float(value) for value in found]


class _Prediction(NamedTuple):
    """A position of a batch that predicts a token of the answer to prompt ``row``.

    ``batch_row`` and ``position``: where in the batch. ``token``: the predicted token if it is one
    of the first 16, whose log-likelihood counts.
    """

    row: int
    batch_row: int
    position: int
    token: int | None


def _by_row(
    predictions: Sequence[_Prediction], kl: Sequence[float], logp: Sequence[float]
) -> dict[int, Shift]:
    by_row: dict[int, list[int]] = {}
    for i, prediction in enumerate(predictions):
        by_row.setdefault(prediction.row, []).append(i)
    return {
        row: Shift(
            max(kl[own[0]], 0.0),  # below 0 is rounding
            max(sum(kl[i] for i in own) / len(own), 0.0),
            sum(logp[i] for i in own if predictions[i].token is not None),
        )
        for row, own in by_row.items()
    }
