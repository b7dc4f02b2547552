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


def gemma(directory: Path, seed: int = 0, layers: int = 4, hidden: int = 128, **more: Any) -> Path:
    """Write a ``gemma3_text`` model with tied embeddings, about 0.9 million parameters by default.

    ``more``: parameters of `write`, and keys of the config.
    """
    settings = {"architectures": ["Gemma3ForCausalLM"], **_gemma(layers)}
    return write(directory, settings, seed, layers, hidden, **more)


def gemma3(directory: Path, seed: int = 0, layers: int = 4, hidden: int = 128, **more: Any) -> Path:
    """Write a ``gemma3`` model: that of `gemma` in the multimodal wrapper, without an image part.

    Parameters are those of `gemma`.
    """
    settings = {
        "model_type": "gemma3",
        "architectures": ["Gemma3ForConditionalGeneration"],
        "vision_config": {},
        "text_config": _gemma(layers),
    }
    return write(directory, settings, seed, layers, hidden, **more)


def gemma3n(
    directory: Path, seed: int = 0, layers: int = 4, hidden: int = 128, **more: Any
) -> Path:
    """Write a ``gemma3n`` model, whose second half of layers uses keys and values of the first.

    Parameters are those of `gemma`.
    """
    half = layers // 2
    text = {
        "model_type": "gemma3n_text",
        "head_dim": 32,
        "rope_theta": 10_000.0,
        "rope_local_base_freq": 10_000.0,
        "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"] * half,
        "num_kv_shared_layers": half,
        "activation_sparsity_pattern": [0.95] * half + [0.0] * half,
        "hidden_size_per_layer_input": 64,
        "altup_num_inputs": 2,
        "altup_coef_clip": 120.0,
        "altup_correct_scale": True,
        "altup_active_idx": 0,
        "laurel_rank": 64,
        "final_logit_softcapping": 30.0,
    }
    settings = {
        "model_type": "gemma3n",
        "architectures": ["Gemma3nForConditionalGeneration"],
        "text_config": text,
    }
    return write(directory, settings, seed, layers, hidden, **more)


def llama(directory: Path, seed: int = 0, layers: int = 4, hidden: int = 128, **more: Any) -> Path:
    """Write a ``llama`` model, without norms after attention and MLP; otherwise like `gemma`.

    With another ``model_type``, it has the keys that most architectures read.
    """
    settings = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "head_dim": 32,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
    }
    return write(directory, settings, seed, layers, hidden, **more)


def _gemma(layers: int) -> dict[str, Any]:
    return {
        "model_type": "gemma3_text",
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "rope_theta": 10_000.0,
        "rope_local_base_freq": 10_000.0,
        "sliding_window": 64,
        "sliding_window_pattern": min(2, layers),
    }


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


def write(
    directory: Path,
    settings: dict[str, Any],
    seed: int,
    layers: int,
    hidden: int,
    *,
    dtype: str = "float32",
    words: Iterable[str] = WORDS,
    sigma: float = 0.0,
    bits: int | None = None,
    **overrides: Any,
) -> Path:
    """Write a model with the config ``settings``, those that all architectures have added.

    ``sigma``: the scales 1+w of the norms are distributed as exp(N(0, sigma)). ``bits``: quantise
    the linear layers and the embedding, in groups of 64 (``hidden`` must be a multiple of 64).
    ``overrides``: keys that replace those of the config.
    """
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
    if text := settings.get("text_config"):  # a multimodal model
        shared = {k: v for k, v in config.items() if k not in settings}
        config["text_config"] = {**shared, "vocab_size_per_layer_input": vocabulary, **text}
    network, arguments = _get_classes(config)
    model = network(arguments.from_dict(config))
    gemma3 = config["model_type"] in ("gemma3", "gemma3_text")
    if gemma3:  # remove the output head: the embeddings are tied
        getattr(model, "language_model", model).sanitize({})

    # the scale of a norm is 1 + w in Gemma 1 to 3 and w elsewhere
    offset = 1.0 if gemma3 or config["model_type"] in ("gemma", "gemma2") else 0.0
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
