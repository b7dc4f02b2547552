"""Describe a GGUF file as a model of Hugging Face: its configuration, and where each weight is.

llama.cpp stores some weights differently. Queries and keys of ``llama`` are permuted, because it
rotates neighbouring values where Hugging Face rotates the two halves of a head; norms of ``gemma3``
are increased by 1, which Hugging Face adds in the model. Sources: ``conversion/llama.py`` and
``conversion/gemma.py`` of llama.cpp.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lek.models.gguf.file import GGUFFile, Tensor

_LARGEST_GEMMA3 = 62  # layers of 27B, which scales queries by hidden size / heads
_GEMMA3_PATTERN = 6  # of each six layers, five attend to a window and one to all tokens
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
    return _ARCHITECTURES[name](file, name)


def _llama(file: GGUFFile, name: str) -> Description:
    sizes = _sizes(file, name)
    q, kv = sizes.num_attention_heads, sizes.num_key_value_heads
    attention_bias = "blk.0.attn_output.bias" in file.tensors
    mlp_bias = "blk.0.ffn_down.bias" in file.tensors
    layer = _Layer(sizes)
    layer.attention(q_heads=q, k_heads=kv, biases="q k v o" if attention_bias else "")
    layer.mlp(bias=mlp_bias)
    layer.norm("attn_norm", "input_layernorm")
    layer.norm("ffn_norm", "post_attention_layernorm")
    config = _config(file, name, sizes, "LlamaForCausalLM", "llama") | {
        "hidden_act": "silu",
        "attention_bias": attention_bias,
        "mlp_bias": mlp_bias,
    }
    return _description(file, config, layer)


def _qwen2(file: GGUFFile, name: str) -> Description:
    sizes = _sizes(file, name)
    if sizes.head_dim * sizes.num_attention_heads != sizes.hidden_size:
        file.refuse(
            f"heads of {sizes.head_dim} values are not supported for {name}; expected "
            f"{sizes.hidden_size} / {sizes.num_attention_heads}"
        )
    layer = _Layer(sizes)
    layer.attention(biases="q k v")
    layer.mlp()
    layer.norm("attn_norm", "input_layernorm")
    layer.norm("ffn_norm", "post_attention_layernorm")
    config = _config(file, name, sizes, "Qwen2ForCausalLM", "qwen2") | {"hidden_act": "silu"}
    return _description(file, config, layer)


def _qwen3(file: GGUFFile, name: str) -> Description:
    sizes = _sizes(file, name)
    layer = _Layer(sizes)
    layer.attention()
    layer.head_norms()
    layer.mlp()
    layer.norm("attn_norm", "input_layernorm")
    layer.norm("ffn_norm", "post_attention_layernorm")
    config = _config(file, name, sizes, "Qwen3ForCausalLM", "qwen3") | {"hidden_act": "silu"}
    return _description(file, config, layer)


def _gemma3(file: GGUFFile, name: str) -> Description:
    if file.number("gemma3.final_logit_softcapping", 0.0):
        file.refuse("gemma3.final_logit_softcapping is not supported")
    sizes = _sizes(file, name)
    layer = _Layer(sizes, norm_added=1.0)
    layer.attention()
    layer.head_norms()
    layer.mlp()
    layer.norm("attn_norm", "input_layernorm")
    layer.norm("post_attention_norm", "post_attention_layernorm")
    layer.norm("ffn_norm", "pre_feedforward_layernorm")
    layer.norm("post_ffw_norm", "post_feedforward_layernorm")
    largest = sizes.num_hidden_layers == _LARGEST_GEMMA3
    window = file.integer("gemma3.attention.sliding_window", 0)
    config = _config(file, name, sizes, "Gemma3ForCausalLM", "gemma3_text") | {
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": (
            sizes.hidden_size // sizes.num_attention_heads if largest else sizes.head_dim
        ),
        "rope_local_base_freq": file.number("gemma3.rope.freq_base_swa", 10000.0),
        "sliding_window": window or file.integer("gemma3.context_length"),
        "sliding_window_pattern": _pattern(file, sizes.num_hidden_layers) if window else 1,
    }
    return _description(file, config, layer)


_ARCHITECTURES: dict[str, Callable[[GGUFFile, str], Description]] = {
    "llama": _llama,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma3": _gemma3,
}


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


def _config(
    file: GGUFFile, name: str, sizes: _Sizes, model_class: str, model_type: str
) -> dict[str, Any]:
    """The part of the configuration that all architectures have."""
    config = {
        "architectures": [model_class],
        "model_type": model_type,
        **vars(sizes),
        "max_position_embeddings": file.integer(f"{name}.context_length"),
        "rms_norm_eps": file.number(f"{name}.attention.layer_norm_rms_epsilon"),
        "rope_theta": file.number(f"{name}.rope.freq_base", 10000.0),
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


class _Layer:
    """The weights of one layer, as they are added.

    ``weights``: by the name of the tensor, the name of the weight, its shape, and ``heads`` and
    ``added`` of `Weight`. Names are relative to the layer.
    """

    def __init__(self, sizes: _Sizes, norm_added: float = 0.0) -> None:
        self.sizes, self.norm_added = sizes, norm_added
        self.weights: dict[str, tuple[str, tuple[int, ...], int, float]] = {}

    def attention(self, *, q_heads: int = 0, k_heads: int = 0, biases: str = "") -> None:
        """Add the projections; rows of q and k are permuted if their number of heads is given."""
        s = self.sizes
        q_rows, kv_rows = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
        for tensor, part, rows, columns, heads in (
            ("attn_q", "q", q_rows, s.hidden_size, q_heads),
            ("attn_k", "k", kv_rows, s.hidden_size, k_heads),
            ("attn_v", "v", kv_rows, s.hidden_size, 0),
            ("attn_output", "o", s.hidden_size, q_rows, 0),
        ):
            self._linear(tensor, f"self_attn.{part}_proj", rows, columns, heads, part in biases)

    def head_norms(self) -> None:
        for part in ("q", "k"):
            weight = (f"self_attn.{part}_norm.weight", (self.sizes.head_dim,), 0, self.norm_added)
            self.weights[f"attn_{part}_norm.weight"] = weight

    def mlp(self, *, bias: bool = False) -> None:
        outer, inner = self.sizes.hidden_size, self.sizes.intermediate_size
        for part, rows, columns in (
            ("gate", inner, outer),
            ("up", inner, outer),
            ("down", outer, inner),
        ):
            self._linear(f"ffn_{part}", f"mlp.{part}_proj", rows, columns, 0, bias)

    def norm(self, tensor: str, name: str) -> None:
        weight = (f"{name}.weight", (self.sizes.hidden_size,), 0, self.norm_added)
        self.weights[f"{tensor}.weight"] = weight

    def _linear(
        self, tensor: str, name: str, rows: int, columns: int, heads: int, bias: bool
    ) -> None:
        self.weights[f"{tensor}.weight"] = (f"{name}.weight", (rows, columns), heads, 0.0)
        if bias:
            self.weights[f"{tensor}.bias"] = (f"{name}.bias", (rows,), heads, 0.0)


def _description(file: GGUFFile, config: dict[str, Any], layer: _Layer) -> Description:
    weights = tuple(_weights(file, layer))
    known = {w.tensor.name for w in weights} | {_FREQUENCY_FACTORS}
    for name in file.tensors:
        if name not in known:
            file.refuse(f"tensor {name} is not part of a {config['model_type']} model")
    return Description(config, weights)


def _weights(file: GGUFFile, layer: _Layer) -> Iterator[Weight]:
    sizes, added = layer.sizes, layer.norm_added
    vocabulary = (sizes.vocab_size, sizes.hidden_size)
    yield _weight(file, "token_embd.weight", "model.embed_tokens.weight", vocabulary)
    for i in range(sizes.num_hidden_layers):
        for tensor, (name, shape, heads, plus) in layer.weights.items():
            full_name = f"model.layers.{i}.{name}"
            yield _weight(file, f"blk.{i}.{tensor}", full_name, shape, heads, plus)
    norm = (sizes.hidden_size,)
    yield _weight(file, "output_norm.weight", "model.norm.weight", norm, added=added)
    if "output.weight" in file.tensors:
        yield _weight(file, "output.weight", "lm_head.weight", vocabulary)


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
