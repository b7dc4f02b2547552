"""Describe a GGUF file as a model of Hugging Face: its configuration, and where each weight is.

llama.cpp stores some weights differently. Queries and keys of ``llama`` are permuted, because it
rotates neighbouring values where Hugging Face rotates the two halves of a head; norms of ``gemma3``
are increased by 1, which Hugging Face adds in the model. Sources: ``conversion/llama.py`` and
``conversion/gemma.py`` of llama.cpp.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lek.models.gguf.file import GGUFFile, Tensor

_LARGEST_GEMMA3 = 62  # layers of 27B, which scales queries by hidden size / heads
_GEMMA3_PATTERN = 6  # of each six layers, five attend to a window and one to all tokens
_ROPE_BASE = 10000.0  # where a file names none
_FREQUENCY_FACTORS = "rope_freqs.weight"  # llama 3.1 and later: a divisor for each frequency
_SCALING_KEYS = {
    "type",
    "factor",
    "original_context_length",
    "finetuned",
    "yarn_beta_fast",
    "yarn_beta_slow",
}


@dataclass(frozen=True)
class Weight:
    """A weight of the model, and the tensor that holds it.

    ``heads``: the number of heads whose rows are permuted; 0 if none are. ``added``: what was
    added to the values.
    """

    name: str
    tensor: Tensor
    heads: int = 0
    added: float = 0.0


@dataclass(frozen=True)
class Description:
    """The configuration (``config.json`` without token ids and dtype) and weights of a model."""

    config: dict[str, Any]
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class _Sizes:
    """The dimensions of a model, by the names of Hugging Face's configurations."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int


@dataclass(frozen=True)
class _Architecture:
    """An architecture of Hugging Face, and how llama.cpp stores it.

    ``settings``: returns the part of the configuration that only this architecture has. ``norms``:
    the names of a layer's norms, by their tensors. ``head_norms``: whether queries and keys are
    normalised. ``permuted`` and ``norm_added``: how weights are stored (see above).
    """

    model_type: str
    model_class: str
    settings: Callable[[GGUFFile, _Sizes], dict[str, Any]]
    norms: Mapping[str, str]
    head_norms: bool = False
    permuted: bool = False
    norm_added: float = 0.0


def describe(file: GGUFFile) -> Description:
    """Return the description of the model in ``file``.

    Raises `BadInput` if its architecture is not supported, a setting of it is not, or a weight is
    missing, has another shape than the configuration says, or is not part of the architecture.
    """
    if (parts := file.integer("split.count", 0)) > 1:
        file.refuse(f"one of {parts} parts of a model; merge them with llama-gguf-split --merge")
    name = file.text("general.architecture")
    if name not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        file.refuse(f"the architecture '{name}' is not supported; supported are {known}")
    architecture, sizes = _ARCHITECTURES[name], _sizes(file, name)
    config = _config(file, name, sizes) | {
        "architectures": [architecture.model_class],
        "model_type": architecture.model_type,
        **architecture.settings(file, sizes),
    }
    weights = tuple(_weights(file, architecture, sizes))
    known_tensors = {w.tensor.name for w in weights} | {_FREQUENCY_FACTORS}
    for tensor in file.tensors:
        if tensor not in known_tensors:
            file.refuse(f"tensor {tensor} is not part of a {architecture.model_type} model")
    return Description(config, weights)


def _llama(file: GGUFFile, sizes: _Sizes) -> dict[str, Any]:
    return {
        "hidden_act": "silu",
        "attention_bias": "blk.0.attn_output.bias" in file.tensors,
        "mlp_bias": "blk.0.ffn_down.bias" in file.tensors,
    }


def _qwen2(file: GGUFFile, sizes: _Sizes) -> dict[str, Any]:
    if sizes.head_dim * sizes.num_attention_heads != sizes.hidden_size:
        file.refuse(
            f"heads of {sizes.head_dim} values are not supported for qwen2; expected "
            f"{sizes.hidden_size} / {sizes.num_attention_heads}"
        )
    return {"hidden_act": "silu"}


def _qwen3(file: GGUFFile, sizes: _Sizes) -> dict[str, Any]:
    return {"hidden_act": "silu"}


def _gemma3(file: GGUFFile, sizes: _Sizes) -> dict[str, Any]:
    if file.number("gemma3.final_logit_softcapping", 0.0):
        file.refuse("gemma3.final_logit_softcapping is not supported")
    largest = sizes.num_hidden_layers == _LARGEST_GEMMA3
    scalar = sizes.hidden_size // sizes.num_attention_heads if largest else sizes.head_dim
    window = file.integer("gemma3.attention.sliding_window", 0)
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": scalar,
        "rope_local_base_freq": _local_base(file),
        "sliding_window": window or file.integer("gemma3.context_length"),
        "sliding_window_pattern": _pattern(file, sizes.num_hidden_layers) if window else 1,
    }


_TWO_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_FOUR_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_ARCHITECTURES = {
    "llama": _Architecture("llama", "LlamaForCausalLM", _llama, _TWO_NORMS, permuted=True),
    "qwen2": _Architecture("qwen2", "Qwen2ForCausalLM", _qwen2, _TWO_NORMS),
    "qwen3": _Architecture("qwen3", "Qwen3ForCausalLM", _qwen3, _TWO_NORMS, head_norms=True),
    "gemma3": _Architecture(
        "gemma3_text", "Gemma3ForCausalLM", _gemma3, _FOUR_NORMS, head_norms=True, norm_added=1.0
    ),
}


def _local_base(file: GGUFFile) -> float:
    """The base of positions in Gemma 3's layers that attend to a window."""
    return file.number("gemma3.rope.freq_base_swa", _ROPE_BASE)


def _pattern(file: GGUFFile, layers: int) -> int:
    """The number of layers after which Gemma 3 has one that attends to all tokens."""
    key = "gemma3.attention.sliding_window_pattern"
    stored = file.metadata.get(key)
    if isinstance(stored, np.ndarray):  # for each layer, whether it attends to a window
        windowed = [bool(w) for w in stored]
        pattern = windowed.index(False) + 1 if False in windowed else layers + 1
        if windowed != [(i + 1) % pattern != 0 for i in range(layers)]:
            file.refuse(f"{key} is irregular, which is not supported")
    else:
        pattern = file.integer(key, _GEMMA3_PATTERN)
    if pattern > layers and _local_base(file) == file.number("gemma3.rope.freq_base", _ROPE_BASE):
        # mlx_lm needs a layer that attends to all tokens; with one base of positions for all
        # layers, such a layer does the same as the others within the window
        return layers
    if not 0 < pattern <= layers:
        file.refuse(
            f"of {layers} layers none attends to all tokens ({key} = {pattern}), which is not "
            "supported"
        )
    return pattern


def _sizes(file: GGUFFile, name: str) -> _Sizes:
    if file.integer(f"{name}.expert_count", 0):
        file.refuse("mixtures of experts are not supported")
    hidden = file.integer(f"{name}.embedding_length")
    heads = file.integer(f"{name}.attention.head_count")
    if "token_embd.weight" not in file.tensors:
        file.refuse("tensor token_embd.weight is missing")
    sizes = _Sizes(
        hidden_size=hidden,
        intermediate_size=file.integer(f"{name}.feed_forward_length"),
        num_hidden_layers=file.integer(f"{name}.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=file.integer(f"{name}.attention.head_count_kv", heads),
        head_dim=file.integer(f"{name}.attention.key_length", hidden // heads if heads else 0),
        vocab_size=file.tensors["token_embd.weight"].shape[0],
    )
    for size, value in vars(sizes).items():
        if value <= 0:
            file.refuse(f"{size} = {value}; expected a positive integer")
    if sizes.num_hidden_layers > len(file.tensors):
        file.refuse(f"{name}.block_count = {sizes.num_hidden_layers}: there are fewer tensors")
    if sizes.head_dim % 2 or heads % sizes.num_key_value_heads:
        file.refuse(
            f"{heads} heads of {sizes.head_dim} values with {sizes.num_key_value_heads} heads of "
            "keys; expected an even number of values, and a multiple of the heads of keys"
        )
    for key in ("attention.value_length", "rope.dimension_count"):
        if (length := file.integer(f"{name}.{key}", sizes.head_dim)) != sizes.head_dim:
            file.refuse(f"{name}.{key} = {length} is not supported; expected {sizes.head_dim}")
    return sizes


def _config(file: GGUFFile, name: str, sizes: _Sizes) -> dict[str, Any]:
    """The part of the configuration that all architectures have."""
    config = {
        **vars(sizes),
        "max_position_embeddings": file.integer(f"{name}.context_length"),
        "rms_norm_eps": file.number(f"{name}.attention.layer_norm_rms_epsilon"),
        "rope_theta": file.number(f"{name}.rope.freq_base", _ROPE_BASE),
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }
    scaling = _rope_scaling(file, name, config)
    return config | ({"rope_scaling": scaling} if scaling else {})


def _rope_scaling(file: GGUFFile, name: str, config: dict[str, Any]) -> dict[str, Any] | None:
    """How positions are scaled, as ``rope_scaling``; ``None`` if they are not."""
    if (factors := file.tensors.get(_FREQUENCY_FACTORS)) is not None:
        if factors.kind != 0 or factors.shape != (config["head_dim"] // 2,):
            file.refuse(f"{_FREQUENCY_FACTORS} is no vector of {config['head_dim'] // 2} floats")
        # the one form that holds a factor for each frequency; equal lengths: always applied
        values = file.stored(factors).view("<f4").ravel().astype(float).tolist()
        return {
            "rope_type": "longrope",
            "short_factor": values,
            "long_factor": values,
            "original_max_position_embeddings": config["max_position_embeddings"],
        }
    prefix = f"{name}.rope.scaling."
    for key in file.metadata:
        if key.startswith(prefix) and key.removeprefix(prefix) not in _SCALING_KEYS:
            file.refuse(f"{key} is not supported")
    kind = file.text(prefix + "type", "linear")
    older = file.number(f"{name}.rope.scale_linear", 1.0)
    factor = file.number(prefix + "factor", older)
    if factor < 0:
        file.refuse(f"{prefix}factor = {factor}; expected a positive number")
    if kind == "none" or (kind == "linear" and factor in (0.0, 1.0)):  # 0: not scaled
        return None
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn":
        original = file.integer(prefix + "original_context_length")
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original,
            "beta_fast": file.number(prefix + "yarn_beta_fast", 32.0),
            "beta_slow": file.number(prefix + "yarn_beta_slow", 1.0),
        }
    return file.refuse(f"{prefix}type = '{kind}' is not supported")


def _weights(file: GGUFFile, architecture: _Architecture, sizes: _Sizes) -> Iterator[Weight]:
    vocabulary, added = (sizes.vocab_size, sizes.hidden_size), architecture.norm_added
    yield _weight(file, "token_embd.weight", "model.embed_tokens.weight", vocabulary)
    for i in range(sizes.num_hidden_layers):
        yield from _linear_weights(file, architecture, sizes, i)
        for tensor, name in architecture.norms.items():
            yield _norm(file, i, tensor, name, sizes.hidden_size, added)
        if architecture.head_norms:
            yield _norm(file, i, "attn_q_norm", "self_attn.q_norm", sizes.head_dim, added)
            yield _norm(file, i, "attn_k_norm", "self_attn.k_norm", sizes.head_dim, added)
    shape = (sizes.hidden_size,)
    yield _weight(file, "output_norm.weight", "model.norm.weight", shape, added=added)
    if "output.weight" in file.tensors:
        yield _weight(file, "output.weight", "lm_head.weight", vocabulary)


def _linear_weights(
    file: GGUFFile, architecture: _Architecture, sizes: _Sizes, i: int
) -> Iterator[Weight]:
    """The linear weights of layer ``i``, with their biases."""
    hidden, inner = sizes.hidden_size, sizes.intermediate_size
    q_heads, kv_heads = sizes.num_attention_heads, sizes.num_key_value_heads
    q_rows, kv_rows = q_heads * sizes.head_dim, kv_heads * sizes.head_dim
    for tensor, name, shape, heads in (
        ("attn_q", "self_attn.q_proj", (q_rows, hidden), q_heads),
        ("attn_k", "self_attn.k_proj", (kv_rows, hidden), kv_heads),
        ("attn_v", "self_attn.v_proj", (kv_rows, hidden), 0),
        ("attn_output", "self_attn.o_proj", (hidden, q_rows), 0),
        ("ffn_gate", "mlp.gate_proj", (inner, hidden), 0),
        ("ffn_up", "mlp.up_proj", (inner, hidden), 0),
        ("ffn_down", "mlp.down_proj", (hidden, inner), 0),
    ):
        permuted = heads if architecture.permuted else 0
        old, new = f"blk.{i}.{tensor}", f"model.layers.{i}.{name}"
        yield _weight(file, f"{old}.weight", f"{new}.weight", shape, permuted)
        if _has_bias(file, architecture, tensor):
            yield _weight(file, f"{old}.bias", f"{new}.bias", shape[:1], permuted)


def _has_bias(file: GGUFFile, architecture: _Architecture, tensor: str) -> bool:
    """Whether a linear weight has a bias: in all layers or in none."""
    if architecture.model_type == "qwen2":
        return tensor in ("attn_q", "attn_k", "attn_v")
    # of llama's, all of the attention have one or none, and so have those of the MLP
    last = "blk.0.attn_output.bias" if tensor.startswith("attn") else "blk.0.ffn_down.bias"
    return architecture.model_type == "llama" and last in file.tensors


def _norm(file: GGUFFile, i: int, tensor: str, name: str, size: int, added: float) -> Weight:
    full_name = f"model.layers.{i}.{name}.weight"
    return _weight(file, f"blk.{i}.{tensor}.weight", full_name, (size,), added=added)


def _weight(
    file: GGUFFile,
    tensor_name: str,
    name: str,
    shape: tuple[int, ...],
    heads: int = 0,
    added: float = 0.0,
) -> Weight:
    tensor = file.tensors.get(tensor_name)
    if tensor is None:
        file.refuse(f"tensor {tensor_name} is missing")
    if tensor.shape != shape:
        file.refuse(f"tensor {tensor_name} has the shape {tensor.shape}; expected {shape}")
    return Weight(name, tensor, heads, added)
