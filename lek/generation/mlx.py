"""A model directory -> completions with MLX, in batches as large as the memory bears.

Prompts are sorted by length, so that little padding is computed, and a batch takes in the next
prompt as soon as an answer is complete. In float32 an answer does not depend on its batch.
"""

import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, cast

from lek.errors import BadInput
from lek.generation.backend import Completion, Prompt, Request
from lek.models.weights import Loaded, NumericFormat, load
from lek.profile.schema import Decoding


class MlxBackend:
    """One model in memory; dropping the object frees it."""

    def __init__(self, loaded: Loaded, directory: Path) -> None:
        self._loaded, self._directory = loaded, directory

    @classmethod
    def open(cls, directory: Path, form: NumericFormat) -> Self:
        """Load the model in ``directory``, in ``form``."""
        return cls(load(directory, form), directory)

    def complete(
        self,
        requests: Sequence[Request],
        decoding: Decoding,
        generated: Callable[[int], None] = lambda count: None,
    ) -> Iterator[Completion]:
        """Ask all ``requests``; completions come in the order in which they are complete.

        ``generated`` is told how many tokens each step gave. A prompt that leaves no room for an
        answer in the model's context has none, and says so.
        """
        from mlx_lm.generate import BatchGenerator

        rendered = {r.id: self._render(r.prompt) for r in requests}
        tokens = {r.id: self._tokens(rendered[r.id], r.prompt) for r in requests}
        order = sorted(tokens, key=lambda i: len(tokens[i]))
        room = {i: self._room(len(tokens[i]), decoding.max_tokens) for i in order}
        for i in (i for i in order if room[i] < 1):
            why = f"the prompt has {len(tokens[i])} tokens, the model's context {self._context}"
            yield Completion(i, None, rendered[i], None, len(tokens[i]), 0, 0.0, why)
        order = [i for i in order if room[i] >= 1]
        if not order:
            return
        size = self._batch_size(max(len(tokens[i]) + room[i] for i in order), decoding)
        tokenizer = self._loaded.tokenizer
        generator = cast(Any, BatchGenerator)(
            self._loaded.model,
            stop_tokens=[[t] for t in tokenizer.eos_token_ids],
            completion_batch_size=size,
            prefill_batch_size=min(size, 16),
        )
        start = time.perf_counter()
        samplers = [_sampler(i, decoding) for i in order] if decoding.temperature else None
        prompts, limits = [tokens[i] for i in order], [room[i] for i in order]
        names = dict(zip(generator.insert(prompts, limits, samplers=samplers), order, strict=True))
        said: dict[int, list[int]] = {uid: [] for uid in names}
        try:
            while responses := generator.next_generated():
                generated(len(responses))
                for r in responses:
                    if r.finish_reason != "stop":  # else the token is the one that stops
                        said[r.uid].append(r.token)
                    if r.finish_reason is not None:
                        name, answer = names[r.uid], said.pop(r.uid)
                        yield Completion(
                            id=name,
                            text=tokenizer.decode(answer, skip_special_tokens=True),
                            rendered=rendered[name],
                            finish=r.finish_reason,
                            prompt_tokens=len(tokens[name]),
                            completion_tokens=len(answer),
                            seconds=round(time.perf_counter() - start, 3),
                        )
        finally:
            generator.close()

    def _render(self, prompt: Prompt) -> str:
        if isinstance(prompt, str):
            return prompt
        tokenizer = self._loaded.tokenizer
        if not tokenizer.has_chat_template:
            raise BadInput(
                f"{self._directory}: no chat template; give the subject prompt = 'plain'"
            )
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        return str(text)

    def _tokens(self, rendered: str, prompt: Prompt) -> list[int]:
        """A chat has the special tokens of its template alone; bare text gets the tokenizer's."""
        plain = isinstance(prompt, str)
        return list(self._loaded.tokenizer.encode(rendered, add_special_tokens=plain))

    @property
    def _context(self) -> int | None:
        return text_config(self._loaded).get("max_position_embeddings")

    def _room(self, prompt: int, wanted: int) -> int:
        return wanted if self._context is None else min(wanted, int(self._context) - prompt)

    def _batch_size(self, longest: int, decoding: Decoding) -> int:
        """How many sequences of ``longest`` tokens fit: keys, values and logits of each."""
        import psutil

        given = decoding.memory_gb
        budget = given * 1e9 if given is not None else psutil.virtual_memory().total / 4
        each = bytes_per_sequence(self._loaded, longest)
        if each is None:  # a config that is not understood: one at a time is always right
            return 1
        return max(1, min(decoding.batch_size, int(budget // each)))


def text_config(loaded: Loaded) -> dict[str, Any]:
    """The part of the config that describes the language model, where there are others."""
    return dict(loaded.config.get("text_config") or loaded.config)


def bytes_per_sequence(loaded: Loaded, tokens: int) -> int | None:
    """An estimate of what one sequence takes while it is generated, from the model's config;
    ``None`` where that has other keys than those of Hugging Face's decoders.

    Keys and values of all layers, twice (a batch is copied when it changes its members), three
    rows of logits, and the widest activations of a prompt.
    """
    config = text_config(loaded)
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    if any(key not in config for key in keys):
        return None
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or hidden // heads)
    kv = int(config.get("num_key_value_heads") or heads)
    wide = int(config.get("intermediate_size") or 4 * hidden)
    size = 4  # float32, the widest that is used
    cache = 2 * layers * kv * width * tokens
    return size * (2 * cache + 3 * int(config["vocab_size"]) + (3 * wide + 4 * hidden) * tokens)


def _sampler(name: str, decoding: Decoding) -> Callable[[Any], Any]:
    """A sampler whose random numbers depend on the seed and on ``name`` alone."""
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
    """Give back the memory of models that were dropped."""
    import mlx.core as mx

    gc.collect()  # a model's modules refer to each other
    mx.clear_cache()
