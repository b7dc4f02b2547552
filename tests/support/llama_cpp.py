"""Write models as GGUF files, as llama.cpp's converter does, with the writer of ``gguf``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_GEMMA = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def write(
    directory: Path,
    path: Path,
    kind: str = "F32",
    *,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
) -> Path:
    """Write the model in ``directory``, in float32, to the GGUF file ``path``, which is returned.

    ``kind``: the type of the matrices; vectors stay in float32. ``metadata`` is added, instead of
    the entry of the same key, or leaves that entry out if it is ``None``; ``tensors`` likewise.
    """
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize
    from safetensors.numpy import load_file

    config = json.loads((directory / "config.json").read_text())
    architecture = config["model_type"].removesuffix("_text")
    entries = {**_settings(config, architecture), **_tokenizer(directory), **(metadata or {})}
    writer = GGUFWriter(path, entries.pop("general.architecture", architecture))
    for key, value in entries.items():
        if value is not None:
            add(writer, key, value)
    weights = load_file(directory / "model.safetensors")
    arrays = {_name(n, architecture): _stored(n, w, config) for n, w in weights.items()}
    for name, array in {**arrays, **(tensors or {})}.items():
        if array is None:
            continue
        quantised = GGMLQuantizationType[kind if array.ndim == 2 else "F32"]
        writer.add_tensor(name, quantize(array, quantised), raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add(writer: Any, key: str, value: Any) -> None:
    """Add an entry to the metadata, in the type that llama.cpp reads it in."""
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, value)


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return ``weight`` with the rows of the two halves of each head interleaved."""
    halves = weight.reshape(heads, 2, len(weight) // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _settings(config: dict[str, Any], architecture: str) -> dict[str, Any]:
    keys = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.freq_base": float(config["rope_theta"]),
    }
    if "head_dim" in config:
        keys |= {"attention.key_length": config["head_dim"]}
    if architecture == "gemma3":
        keys |= {
            "attention.sliding_window": config["sliding_window"],
            "attention.sliding_window_pattern": config["sliding_window_pattern"],
        }
    return {f"{architecture}.{key}": value for key, value in keys.items()}


def _tokenizer(directory: Path) -> dict[str, Any]:
    """The metadata of a byte-level BPE tokenizer, whose pre-tokenizer is that of GPT-2."""
    file = json.loads((directory / "tokenizer.json").read_text())
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    special = {token["content"] for token in file["added_tokens"] if token["special"]}
    vocabulary = sorted(file["model"]["vocab"], key=file["model"]["vocab"].get)
    ids = {name: vocabulary.index(settings[f"{name}_token"]) for name in ("bos", "eos")}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": vocabulary,
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token in vocabulary],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in file["model"]["merges"]],
        "tokenizer.ggml.add_bos_token": True,
        **{f"tokenizer.ggml.{name}_token_id": i for name, i in ids.items()},
        "tokenizer.chat_template": (directory / "chat_template.jinja").read_text(),
    }


def _name(name: str, architecture: str) -> str:
    names = _NAMES | (_GEMMA if architecture == "gemma3" else {})
    weight, _, suffix = name.rpartition(".")
    if not weight.startswith("model.layers."):
        return f"{names[weight]}.{suffix}"
    layer, weight = weight.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{names[weight]}.{suffix}"


def _stored(name: str, weight: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """A weight as llama.cpp stores it."""
    if config["model_type"] == "llama":
        for part, heads in (("q", "num_attention_heads"), ("k", "num_key_value_heads")):
            if f"self_attn.{part}_proj" in name:
                return permuted(weight, config[heads])
    if config["model_type"] == "gemma3_text" and name.endswith("norm.weight"):
        return weight + np.float32(1)
    return weight
