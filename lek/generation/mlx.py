"""Generate completions with MLX, in batches as large as memory allows.

Prompts are sorted by length to avoid padding, and the next prompt joins a batch as soon as an
answer is complete. In float32 an answer does not depend on the other prompts of its batch.
"""

import gc
import hashlib
import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Self, cast

from lek.generation.backend import Chat, Completion, Question, Request
from lek.generation.likelihood import Choices, log_likelihoods
from lek.models import exponentials
from lek.models.chat_template import render
from lek.models.greedy import Likeliest
from lek.models.prefix import Prefix, common_start, shared_start
from lek.models.weights import Loaded, NumericFormat, load
from lek.profile.schema import Decoding
from lek.text import thoughts

_WORTHWHILE = 16  # tokens that all prompts begin with, from which on they are computed once
_UNFINISHED = (
    "the thought has no end; raise decoding.max_tokens, or set decoding.enable_thinking = false"
)


class MlxBackend:
    """One model in memory; it is freed with the object."""

    def __init__(self, loaded: Loaded, directory: Path) -> None:
        self._loaded, self._directory = loaded, directory

    @classmethod
    def open(cls, directory: Path, form: NumericFormat) -> Self:
        """Load the model in ``directory``, converted to ``form``."""
        loaded = load(directory, form)
        exponentials.use_in(loaded.model)
        return cls(loaded, directory)

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        on_tokens: Callable[[int], None] = lambda count: None,
    ) -> Generator[Completion]:
        """Yield the completions of all ``requests``, each as soon as it is complete.

        ``on_tokens``: called after each step with the number of tokens generated in it. A prompt
        that leaves no room for an answer in the model's context gets a completion without text. A
        question gets the likelihoods of its choices.
        Raises `BadInput` for a chat prompt if the model has no chat template, or one that rejects
        the prompt or omits its system message.
        """
        questions = [r for r in requests if isinstance(r.prompt, Question)]
        yield from self._likelihoods(questions, decoding, on_tokens)
        requests = [r for r in requests if not isinstance(r.prompt, Question)]
        yield from self._texts(requests, decoding, on_tokens)

    def _likelihoods(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None]
    ) -> Generator[Completion]:
        """Yield the likelihoods of the choices of all ``requests``."""
        start = time.perf_counter()
        asked: list[tuple[Request, str, Choices]] = []
        for request in requests:
            assert isinstance(request.prompt, Question)
            context, choices, form = request.prompt
            rendered = self._render(context, decoding.enable_thinking)
            first = self._tokens(rendered, context)
            texts = [rendered + form.replace("{choice}", choice) for choice in choices]
            sequences = [self._tokens(text, context) for text in texts]
            common = min((common_start(first, s) for s in sequences), default=len(first))
            tokens = Choices(first[:common], [sequence[common:] for sequence in sequences])
            longest = max(map(len, sequences), default=common)
            reason = None
            if not choices:
                reason = "no measure applies to the case, so there are no choices"
            elif isinstance(context, list) and self._opens_thought(rendered):
                reason = "the chat template opens a thought; set decoding.enable_thinking = false"
            elif self._context is not None and longest > self._context:
                reason = f"{longest} tokens, the model's context {self._context}"
            elif not common or not all(tokens.choices):
                reason = "the tokenizer gives no tokens to the prompt or to a choice"
            if reason is not None:
                yield Completion(request.id, None, rendered, None, common, 0, 0.0, reason)
            else:
                asked.append((request, rendered, tokens))
        if not asked:
            return
        longest = max(len(t.context) + max(map(len, t.choices)) for _, _, t in asked)
        rows = self._batch_size(longest, decoding)
        questions = [tokens for _, _, tokens in asked]
        for i, values in log_likelihoods(self._loaded.model, questions, rows):
            request, rendered, tokens = asked[i]
            assert isinstance(request.prompt, Question)
            count = sum(map(len, tokens.choices))
            on_tokens(count)
            found = dict(zip(request.prompt.choices, values, strict=True))
            finite = all(map(math.isfinite, values))
            yield Completion(
                id=request.id,
                text=None,
                rendered=rendered,
                finish=None,
                prompt_tokens=len(tokens.context),
                completion_tokens=count,
                seconds=round(time.perf_counter() - start, 3),
                reason=None if finite else "a likelihood is not finite; set decoding.dtype",
                likelihoods=found if finite else None,
            )

    def _texts(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None]
    ) -> Generator[Completion]:
        """Yield the answers to all ``requests``."""
        from mlx_lm.generate import BatchGenerator

        thinking = decoding.enable_thinking
        prompts = {r.id: r.prompt for r in requests if not isinstance(r.prompt, Question)}
        rendered = {i: self._render(prompt, thinking) for i, prompt in prompts.items()}
        tokens = {i: self._tokens(rendered[i], prompt) for i, prompt in prompts.items()}
        order = sorted(tokens, key=lambda i: len(tokens[i]))
        room = {i: self._room(len(tokens[i]), decoding.max_tokens) for i in order}
        for i in (i for i in order if room[i] < 1):
            reason = f"the prompt has {len(tokens[i])} tokens, the model's context {self._context}"
            yield Completion(i, None, rendered[i], None, len(tokens[i]), 0, 0.0, reason)
        order = [i for i in order if room[i] >= 1]
        if not order:
            return
        size = self._batch_size(max(len(tokens[i]) + room[i] for i in order), decoding)
        tokenizer = self._loaded.tokenizer
        model: Any = self._loaded.model
        greedy = None if decoding.temperature else Likeliest(model)
        generator = cast(Any, BatchGenerator)(
            greedy or model,
            sampler=greedy and greedy.sample,
            stop_tokens=[[t] for t in tokenizer.eos_token_ids],
            completion_batch_size=size,
            # padding before a prompt would change the state of a recurrent layer
            prefill_batch_size=1 if _is_recurrent(model) else min(size, 16),
        )
        start = time.perf_counter()
        samplers = [_sampler(i, decoding) for i in order] if decoding.temperature else None
        sequences, limits = [tokens[i] for i in order], [room[i] for i in order]
        shared, caches = _begun(model, sequences)
        rest = [sequence[shared:] for sequence in sequences]
        uids = generator.insert(rest, limits, caches=caches, samplers=samplers)
        names = dict(zip(uids, order, strict=True))
        answers: dict[int, list[int]] = {uid: [] for uid in names}
        try:
            while responses := generator.next_generated():
                on_tokens(len(responses))
                for r in responses:
                    if r.finish_reason != "stop":  # otherwise it is the stop token
                        answers[r.uid].append(r.token)
                    if r.finish_reason is not None:
                        name, answer = names[r.uid], answers.pop(r.uid)
                        parts = self._parts(answer, rendered[name])
                        yield Completion(
                            id=name,
                            text=parts.answer,
                            rendered=rendered[name],
                            finish=r.finish_reason,
                            prompt_tokens=len(tokens[name]),
                            completion_tokens=len(answer),
                            seconds=round(time.perf_counter() - start, 3),
                            reason=_UNFINISHED if parts.answer is None else None,
                            thought=parts.thought,
                            thought_tokens=self._count(parts.thought),
                        )
        finally:
            generator.close()

    def _parts(self, answer: list[int], rendered: str) -> thoughts.Parts:
        """The thought and the answer in a model's tokens, after the prompt ``rendered``."""
        tokenizer = self._loaded.tokenizer
        start, end = self._marks
        added = tokenizer.added_tokens_decoder.items()
        marks = {i: t.content for i, t in added if t.special and t.content in (start, end)}
        text, rest = "", list[int]()
        for token in answer:  # decode() omits special tokens
            if mark := marks.get(token):
                text += tokenizer.decode(rest, skip_special_tokens=True) + mark
                rest = []
            else:
                rest.append(token)
        text += tokenizer.decode(rest, skip_special_tokens=True)
        return thoughts.split(text, start, end, is_open=self._opens_thought(rendered))

    @property
    def _marks(self) -> tuple[str, str]:
        """The marks at the start and the end of a thought."""
        tokenizer = self._loaded.tokenizer
        if tokenizer.has_thinking:
            return str(tokenizer.think_start), str(tokenizer.think_end)
        return thoughts.START, thoughts.END

    def _opens_thought(self, rendered: str) -> bool:
        """Whether the prompt ends with the start of a thought."""
        return rendered.rstrip().endswith(self._marks[0])

    def _count(self, thought: str | None) -> int | None:
        if thought is None:
            return None
        return len(self._loaded.tokenizer.encode(thought, add_special_tokens=False))

    def _render(self, prompt: str | Chat, thinking: bool | None) -> str:
        if isinstance(prompt, str):
            return prompt
        tokenizer = self._loaded.tokenizer
        return render(tokenizer, prompt, thinking=thinking, directory=self._directory)

    def _tokens(self, rendered: str, prompt: str | Chat) -> list[int]:
        """Token ids; only bare text gets the tokenizer's special tokens, a template has its own."""
        plain = isinstance(prompt, str)
        return list(self._loaded.tokenizer.encode(rendered, add_special_tokens=plain))

    @property
    def _context(self) -> int | None:
        return _largest(text_config(self._loaded).get("max_position_embeddings"))

    def _room(self, prompt: int, limit: int) -> int:
        """The number of tokens for an answer: ``limit``, or what the context leaves."""
        return limit if self._context is None else min(limit, self._context - prompt)

    def _batch_size(self, longest: int, decoding: Decoding) -> int:
        """How many sequences of ``longest`` tokens fit into memory, at most ``batch_size``."""
        import psutil

        memory_gb = decoding.memory_gb
        budget = memory_gb * 1e9 if memory_gb is not None else psutil.virtual_memory().total / 4
        size = bytes_per_sequence(self._loaded, longest)
        if size is None:  # an unknown config: one sequence at a time is always safe
            return 1
        return max(1, min(decoding.batch_size, int(budget // size)))


def _begun(model: Any, sequences: Sequence[Sequence[int]]) -> tuple[int, list[Any] | None]:
    """What all ``sequences`` begin with, computed once: its length, and a cache for each sequence.

    Such as a system message or the kernel. ``None``, and the length 0, where it is too short to
    matter, or the model has a kind of cache that mlx_lm cannot continue in batches.
    """
    from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache

    shared = shared_start(sequences) if len(sequences) > 1 else 0
    kinds = {type(part) for part in make_prompt_cache(model)}
    if shared < _WORTHWHILE or not kinds <= {KVCache, RotatingKVCache}:
        return 0, None
    prefix = Prefix(model, sequences[0][:shared])
    return shared, [prefix.parts] * len(sequences)  # not changed by mlx_lm, but copied


def _is_recurrent(model: Any) -> bool:
    """Whether a layer of ``model`` keeps a state in place of the keys and values of all tokens."""
    from mlx_lm.models.cache import ArraysCache, make_prompt_cache

    caches: list[Any] = make_prompt_cache(model)
    parts = (part for cache in caches for part in getattr(cache, "caches", [cache]))
    return any(isinstance(part, ArraysCache) for part in parts)


def text_config(loaded: Loaded) -> dict[str, Any]:
    """Return the part of the config that describes the language model, in multimodal models too."""
    return dict(loaded.config.get("text_config") or loaded.config)


def bytes_per_sequence(loaded: Loaded, tokens: int) -> int | None:
    """Estimate the bytes that generating one sequence of ``tokens`` takes, from the model's config.

    Counted are keys and values of all layers, twice (a batch is copied when its members change),
    three rows of logits, and the widest activations of a prompt. ``None`` if the config lacks the
    keys of Hugging Face's decoders.
    """
    config = text_config(loaded)
    hidden, layers, heads, vocabulary = (
        _largest(config.get(key))
        for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    )
    if hidden is None or layers is None or heads is None or vocabulary is None:
        return None
    width = _largest(config.get("head_dim")) or hidden // heads
    kv = _largest(config.get("num_key_value_heads")) or heads
    wide = _largest(config.get("intermediate_size")) or 4 * hidden
    size = 4  # bytes of float32, the widest type used
    cache = 2 * layers * kv * width * tokens
    return size * (2 * cache + 3 * vocabulary + (3 * wide + 4 * hidden) * tokens)


def _largest(value: Any) -> int | None:
    """A number of a config, or the largest where there is one for each layer; ``None`` if none."""
    numbers = value if isinstance(value, list) else [value]
    return max((n for n in numbers if type(n) is int and n > 0), default=None)


def _sampler(name: str, decoding: Decoding) -> Callable[[Any], Any]:
    """Return a sampler whose random numbers depend only on the seed and ``name``."""
    import mlx.core as mx
    from mlx_lm.sample_utils import apply_top_p

    seed = hashlib.sha256(f"{decoding.seed}\n{name}".encode()).digest()[:8]
    key = mx.random.key(int.from_bytes(seed))

    def sample(logprobs: Any) -> Any:
        nonlocal key
        key, now = mx.random.split(key)
        if decoding.top_p < 1:
            logprobs = apply_top_p(logprobs, decoding.top_p)
        return mx.random.categorical(logprobs * (1 / decoding.temperature), key=now)

    return sample


def free() -> None:
    """Return the memory of models that are no longer referenced."""
    import mlx.core as mx

    gc.collect()  # the modules of a model form reference cycles
    mx.clear_cache()
