"""GGUF files: the same model and the same tokens as where they come from, or one line why not."""

import json
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from support import llama_cpp, tiny

from lek.errors import BadInput
from lek.models.gguf.conversion import check, convert, stored_dtype
from lek.models.gguf.file import read
from lek.models.gguf.tokenizer import GGUFTokenizer
from lek.models.weights import load

IDS = [[5, 300, 17, 42, 8, 99, 256, 31, 7, 12, 64, 128, 3, 77, 150, 201]]
GEMMA = {"layers": 4, "sliding_window": 4}
QWEN = {"architectures": ["Qwen2ForCausalLM"], "rope_theta": 1e6}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MODELS: dict[str, Callable[[Path], Path]] = {
    "llama": lambda d: tiny.llama(d, layers=2, hidden=64, sigma=0.3),
    "llama, wide heads": lambda d: tiny.llama(d, layers=1, hidden=64, head_dim=64),
    "llama, untied": lambda d: tiny.llama(d, layers=1, hidden=64, tie_word_embeddings=False),
    "llama, biases": lambda d: tiny.llama(
        d, layers=1, hidden=64, sigma=0.3, attention_bias=True, mlp_bias=True
    ),
    "llama, linear": lambda d: tiny.llama(
        d, layers=1, hidden=64, rope_scaling={"rope_type": "linear", "factor": 4.0}
    ),
    "llama 3": lambda d: tiny.llama(d, layers=2, hidden=64, rope_scaling=LLAMA3),
    "qwen2": lambda d: tiny.llama(
        d, layers=2, hidden=128, sigma=0.3, model_type="qwen2", **QWEN
    ),
    "qwen2, yarn": lambda d: tiny.llama(
        d,
        layers=1,
        hidden=128,
        sigma=0.3,
        model_type="qwen2",
        rope_scaling={
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 512,
        },
        **QWEN,
    ),
    "qwen3": lambda d: tiny.llama(d, layers=2, hidden=64, sigma=0.3, model_type="qwen3"),
    "qwen3, untied": lambda d: tiny.llama(
        d, layers=1, hidden=64, model_type="qwen3", tie_word_embeddings=False
    ),
    "gemma3": lambda d: tiny.gemma(d, hidden=64, sigma=0.3, **GEMMA),
    "gemma3, pattern of 3": lambda d: tiny.gemma(
        d, hidden=64, sigma=0.3, sliding_window_pattern=3, rope_theta=1e6, **GEMMA
    ),
    "gemma3, linear": lambda d: tiny.gemma(
        d, hidden=64, rope_scaling={"rope_type": "linear", "factor": 8.0}, **GEMMA
    ),
}


def metadata(name: str, directory: Path) -> dict[str, Any]:
    """What a model's scaling of positions is in a GGUF file."""
    config = json.loads((directory / "config.json").read_text())
    architecture = config["model_type"].removesuffix("_text")
    match config.get("rope_scaling"):
        case {"rope_type": "linear", "factor": factor}:
            return {f"{architecture}.rope.scaling.factor": factor}
        case {"rope_type": "yarn", "factor": factor} as scaling:
            return {
                f"{architecture}.rope.scaling.type": "yarn",
                f"{architecture}.rope.scaling.factor": factor,
                f"{architecture}.rope.scaling.original_context_length": scaling[
                    "original_max_position_embeddings"
                ],
            }
    return {}


def frequency_factors(head_dim: int = 32, theta: float = 10_000.0) -> np.ndarray:
    """What llama.cpp's converter stores for ``LLAMA3``."""
    lengths = 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    context, factor = LLAMA3["original_max_position_embeddings"], LLAMA3["factor"]
    smooth = np.clip((context / lengths - 1.0) / (4.0 - 1.0), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def converted(file: Path, out: Path, dtype: Any = "float32") -> Path:
    out.mkdir()
    convert(file, out, dtype)
    return out


def logits(directory: Path) -> np.ndarray:
    import mlx.core as mx

    return np.array(load(directory).model(mx.array(IDS)).astype(mx.float32))[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_read_back_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    original = MODELS[name](tmp_path / "original")
    tensors = {"rope_freqs.weight": frequency_factors()} if name == "llama 3" else None
    file = llama_cpp.write(
        original, tmp_path / "m.gguf", metadata=metadata(name, original), tensors=tensors
    )
    again = converted(file, tmp_path / "again")
    np.testing.assert_allclose(logits(again), logits(original), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gemma3"])
def test_quantised_logits_are_those_of_the_dequantised_weights(
    name: str, kind: str, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    original = MODELS[name](tmp_path / "original")
    file = llama_cpp.write(original, tmp_path / "m.gguf", kind)
    weights = load_file(original / "model.safetensors")
    stored = GGMLQuantizationType[kind]
    rounded = {
        n: dequantize(quantize(w, stored), stored) if w.ndim == 2 else w
        for n, w in weights.items()
    }
    before = logits(original)
    save_file(rounded, original / "model.safetensors", {"format": "mlx"})
    after = logits(converted(file, tmp_path / "again"))
    np.testing.assert_allclose(after, logits(original), rtol=1e-4, atol=1e-5)
    assert np.corrcoef(after.ravel(), before.ravel())[0, 1] > (0.9 if "4" in kind else 0.97)


def dequantised_kinds() -> list[GGMLQuantizationType]:
    kinds = []
    for kind, (_, size) in GGML_QUANT_SIZES.items():
        try:
            dequantize(np.zeros((1, size), np.uint8), kind)
        except NotImplementedError:
            continue
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize("kind", dequantised_kinds(), ids=lambda kind: kind.name)
def test_every_type_that_can_be_dequantised_is_read(
    kind: GGMLQuantizationType, tmp_path: Path
) -> None:
    import mlx.core as mx
    from gguf import GGUFWriter

    original = tiny.llama(tmp_path / "original", layers=1, hidden=256)
    file = llama_cpp.write(original, tmp_path / "f32.gguf")
    header = read(file)
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    for key, value in header.metadata.items():
        if key != "general.architecture":
            llama_cpp._add(writer, key, value.tolist() if isinstance(value, np.ndarray) else value)
    block, size = GGML_QUANT_SIZES[kind]
    random_bytes = np.random.default_rng(0)
    expected = np.zeros(0)
    for name, tensor in header.tensors.items():
        shape = tensor.shape
        if name != "blk.0.ffn_up.weight":
            writer.add_tensor(name, header.stored(tensor).view("<f4").reshape(shape))
            continue
        stored = random_bytes.integers(0, 256, (shape[0], shape[1] // block * size), np.uint8)
        expected = dequantize(stored, kind)
        writer.add_tensor(name, stored, raw_shape=stored.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    again = converted(tmp_path / "m.gguf", tmp_path / "again")
    weights = mx.load(str(again / "model.safetensors"))
    np.testing.assert_array_equal(
        np.array(weights["model.layers.0.mlp.up_proj.weight"]), expected
    )
