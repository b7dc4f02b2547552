"""Tiny models with random weights, a tokenizer and a chat template.

They are for properties that hold for any weights. Writing one takes half a second and no network.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lek.models.machine import preload

BLAS = preload()  # before the functions below import mlx.core

WORDS = (
    "the a of to and is in it you I not what how why can we who was do for with that this be on "
    "are as one two three four five six seven eight nine ten more less all no yes please sorry "
    "tell make write give say ask help cake bread house river stone light water tree bird fish "
    "poison weapon steal break lock car money people because so then if would should safe kind"
).split()
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def gemma(
    directory: Path,
    seed: int = 0,
    layers: int = 4,
    hidden: int = 128,
    *,
    dtype: str = "float32",
    words: Iterable[str] = WORDS,
    sigma: float = 0.0,
    bits: int | None = None,
    **config: Any,
) -> Path:
    """Write a ``gemma3_text`` model with tied embeddings, about 0.9 million parameters by default.

    ``sigma``: the scales 1+w of the norms are distributed as exp(N(0, sigma)). ``bits``: quantise
    the linear layers and the embedding, in groups of 64 (``hidden`` must be a multiple of 64).
    ``config``: any other keys of the model's config.
    """
    settings = {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "rope_theta": 10_000.0,
        "rope_local_base_freq": 10_000.0,
        "sliding_window": 64,
        "sliding_window_pattern": min(2, layers),
    }
    return _model(directory, settings, config, seed, layers, hidden, dtype, words, sigma, bits)


def llama(
    directory: Path,
    seed: int = 0,
    layers: int = 4,
    hidden: int = 128,
    *,
    dtype: str = "float32",
    words: Iterable[str] = WORDS,
    sigma: float = 0.0,
    bits: int | None = None,
    **config: Any,
) -> Path:
    """Write a ``llama`` model, without norms after attention and MLP; otherwise like `gemma`."""
    settings = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "head_dim": 32,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
    }
    return _model(directory, settings, config, seed, layers, hidden, dtype, words, sigma, bits)


def chats(path: Path, n: int, seed: int = 0, length: int = 10) -> Path:
    """Write ``n`` chats of one question and one answer, ``length`` words each, as JSON Lines."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for _ in range(n):
            texts = [" ".join(rng.choice(WORDS, length)) for _ in range(2)]
            roles = ("user", "assistant")
            messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def tokenizer(directory: Path, words: Iterable[str] = WORDS) -> Any:
    """Write a byte-level BPE tokenizer that encodes each of ``words`` as one token.

    Like Gemma's, it puts ``<bos>`` before every text, and so does its chat template.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    corpus = [text for word in words for text in (word, f" {word}")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=100_000,
            min_frequency=1,
            special_tokens=list(SPECIAL),
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        ),
    )
    bos = ("<bos>", SPECIAL.index("<bos>"))
    bpe.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[bos])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        **{f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")},
        padding_side="left",
        chat_template=TEMPLATE,
    )
    directory.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(directory)
    return fast


def _model(
    directory: Path,
    settings: dict[str, Any],
    overrides: dict[str, Any],
    seed: int,
    layers: int,
    hidden: int,
    dtype: str,
    words: Iterable[str],
    sigma: float,
    bits: int | None,
) -> Path:
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import _get_classes, save_config, save_model

    # a multiple of 64, so that the embedding can be quantised along either axis
    vocabulary = -(-len(tokenizer(directory, words)) // 64) * 64
    config: dict[str, Any] = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": 3 * hidden,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
        "pad_token_id": SPECIAL.index("<pad>"),
        "bos_token_id": SPECIAL.index("<bos>"),
        "eos_token_id": [SPECIAL.index("<eos>"), SPECIAL.index("<end_of_turn>")],
        "dtype": dtype,
        **settings,
        **overrides,
    }
    network, arguments = _get_classes(config)
    model = network(arguments.from_dict(config))
    if config["model_type"] == "gemma3_text":
        model.sanitize({})  # removes the output head: the embeddings are tied

    # the scale of a norm is 1 + w in Gemma and w elsewhere
    offset = 1.0 if config["model_type"] == "gemma3_text" else 0.0
    rng = np.random.default_rng(seed)
    weights = []
    for name, value in sorted(tree_flatten(model.parameters())):
        noise = rng.standard_normal(value.shape).astype(np.float32)
        norm = value.ndim == 1
        drawn = np.exp(sigma * noise) - offset if norm else noise / np.sqrt(value.shape[-1])
        weights.append((name, mx.array(drawn.astype(np.float32)).astype(getattr(mx, dtype))))
    model.load_weights(weights)
    if bits is not None:
        config = _quantise(model, config, bits)
    save_model(directory, model)
    save_config(config, directory / "config.json")
    return directory


def _quantise(model: Any, config: dict[str, Any], bits: int) -> dict[str, Any]:
    import contextlib
    import io

    from mlx_lm.utils import quantize_model

    with contextlib.redirect_stdout(io.StringIO()):  # it prints the bits per weight
        _, quantised = quantize_model(model, config, 64, bits)
    return quantised  # type: ignore[no-any-return]
