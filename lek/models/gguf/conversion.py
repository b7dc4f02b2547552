"""Convert a GGUF file to a model directory in Hugging Face format, which mlx_lm loads.

Quantised weights are dequantised. Values are converted in parts, so that a large model needs
little memory.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lek.models.gguf.architectures import Description, Weight, describe
from lek.models.gguf.file import GGUFFile, Tensor, read
from lek.models.gguf.tokenizer import GGUFTokenizer
from lek.profile.schema import Dtype

_VALUES = 1 << 18  # converted at a time: few enough for the caches of a CPU
_SAFETENSORS: dict[Dtype, tuple[str, int]] = {
    "float32": ("F32", 4),
    "bfloat16": ("BF16", 2),
    "float16": ("F16", 2),
}  # name and bytes per value
_STORED: dict[int, Dtype] = {0: "float32", 1: "float16"}  # by the type of a tensor in GGML


def check(path: Path) -> None:
    """Raise `BadInput` if the GGUF file ``path`` cannot be converted, as far as its header says."""
    _description(read(path))


def stored_dtype(path: Path) -> Dtype:
    """Return the dtype of most of the values in the GGUF file ``path``.

    It is bfloat16 if they are quantised. Raises `BadInput` as `check` does.
    """
    weights = _description(read(path))[0].weights
    sizes: dict[Dtype, int] = {}
    for weight in weights:
        dtype = _STORED.get(weight.tensor.kind, "bfloat16")
        sizes[dtype] = sizes.get(dtype, 0) + math.prod(weight.tensor.shape)
    return max(sizes, key=sizes.__getitem__)


def chat_template(path: Path) -> str:
    """Return the chat template of the GGUF file ``path``; empty if it has none."""
    return read(path).text("tokenizer.chat_template", "")


def convert(path: Path, directory: Path, dtype: Dtype) -> None:
    """Write the model of the GGUF file ``path`` to ``directory``, with weights of type ``dtype``.

    The result has the files of `convert_tokenizer` and ``model.safetensors``. Raises `BadInput` as
    `check` does, and if the vocabulary contradicts itself.
    """
    convert_tokenizer(path, directory, dtype)
    file = read(path)
    description, _ = _description(file)
    with (directory / "model.safetensors").open("wb") as stream:
        _write_weights(stream, file, description.weights, dtype)


def convert_tokenizer(path: Path, directory: Path, dtype: Dtype) -> None:
    """Write what the GGUF file ``path`` holds besides weights to ``directory``.

    These are ``config.json`` (with ``dtype``), ``generation_config.json``, ``tokenizer.json``,
    ``tokenizer_config.json`` and, if the file has a chat template, ``chat_template.jinja``.
    """
    description, tokenizer = _description(read(path))
    ends: Any = tokenizer.end_ids
    ids = {"bos_token_id": tokenizer.begin_id, "eos_token_id": ends[0] if len(ends) == 1 else ends}
    ids = {name: value for name, value in ids.items() if value not in (None, [])}
    tokenizer.build().save(str(directory / "tokenizer.json"))
    _write(directory / "tokenizer_config.json", tokenizer.config())
    if tokenizer.template is not None:
        template = directory / "chat_template.jinja"
        template.write_text(tokenizer.template, encoding="utf-8", newline="")
    _write(directory / "config.json", description.config | ids | {"dtype": dtype})
    _write(directory / "generation_config.json", ids)


def _description(file: GGUFFile) -> tuple[Description, GGUFTokenizer]:
    description = describe(file)
    for weight in description.weights:
        _check_type(file, weight.tensor)
    tokenizer = GGUFTokenizer(file)
    rows, tokens = description.config["vocab_size"], len(tokenizer.tokens)
    if tokens > rows:
        file.refuse(f"the tokenizer has {tokens} tokens, but the embedding {rows} rows")
    return description, tokenizer


def _check_type(file: GGUFFile, tensor: Tensor) -> None:
    """Raise `BadInput` if the ``gguf`` package cannot dequantise the type of ``tensor``."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    kind = GGMLQuantizationType(tensor.kind)
    block = np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8)
    try:
        _floats(block, tensor.kind)
    except NotImplementedError:
        file.refuse(f"tensor {tensor.name} has the type {kind.name}, which cannot be dequantised")


def _write(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_weights(
    stream: BinaryIO, file: GGUFFile, weights: tuple[Weight, ...], dtype: Dtype
) -> None:
    """Write a safetensors file: the length of a header in JSON, the header, the values."""
    name, size = _SAFETENSORS[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for weight in weights:
        start, end = end, end + math.prod(weight.tensor.shape) * size
        shape = list(weight.tensor.shape)
        header[weight.name] = {"dtype": name, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
    for weight in weights:
        for values in _values(file, weight):
            stream.write(_bytes(values, dtype))


def _values(file: GGUFFile, weight: Weight) -> Iterator[np.ndarray]:
    """The values of ``weight`` in float32, as consecutive parts."""
    kind, rows = weight.tensor.kind, file.stored(weight.tensor)
    if len(weight.tensor.shape) == 1 and weight.heads:  # a bias: one value for each row
        yield _unpermuted(_floats(rows, kind), weight.heads)
        return
    if weight.heads:
        rows = _unpermuted(rows, weight.heads)
    step = max(1, _VALUES // weight.tensor.shape[-1])
    for i in range(0, len(rows), step):
        yield _floats(rows[i : i + step], kind) - np.float32(weight.added)


def _unpermuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """``rows`` with the halves of each head one after the other, instead of interleaved."""
    half = len(rows) // heads // 2
    return rows.reshape(heads, half, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _floats(rows: np.ndarray, kind: int) -> np.ndarray:
    """The values of ``rows``, bytes of the type ``kind``, as a vector in float32."""
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    # as one long row, which the package converts faster than many short ones
    row = np.ascontiguousarray(rows).reshape(1, -1)
    return dequantize(row, GGMLQuantizationType(kind)).ravel()


def _bytes(values: np.ndarray, dtype: Dtype) -> bytes:
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import quantize

    kind = GGMLQuantizationType[_SAFETENSORS[dtype][0]]  # the same names
    return quantize(values, kind).tobytes()
