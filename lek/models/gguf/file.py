"""Read the header of a GGUF file and the values of its tensors.

A header comes from strangers: every count and length is compared with the size of the file before
anything is read or allocated for it.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lek.errors import BadInput

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = 32  # of the tensor data, unless the file names another
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?",
    10: "<u8", 11: "<i8", 12: "<f8",
}  # fmt: skip  # by the number of the type in the file
_MAX_DIMENSIONS = 4
_LONGEST = 500  # characters of a message


@dataclass(frozen=True)
class Tensor:
    """A tensor of a GGUF file.

    ``shape``: slowest dimension first, as in safetensors. ``kind``: the number of its type in
    GGML. ``offset`` and ``size``: bytes of its values, from the start of the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int
    size: int


@dataclass(frozen=True)
class GGUFFile:
    """The header of a GGUF file.

    ``metadata``: numbers, booleans, texts, lists of texts and arrays of numbers, by key.
    """

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]

    def refuse(self, reason: str) -> NoReturn:
        """Raise `BadInput` for this file."""
        _refuse(self.path, reason)

    def text(self, key: str, default: str | None = None) -> str:
        """Return the text under ``key``. Raises `BadInput` if it is missing or no text."""
        return str(self._value(key, str, "a text", default))

    def integer(self, key: str, default: int | None = None) -> int:
        """Return the integer under ``key``; of an array of equal integers, their value.

        Raises `BadInput` if it is missing or something else.
        """
        return int(self._value(key, int, "an integer", default))

    def number(self, key: str, default: float | None = None) -> float:
        """Return the number under ``key``. Raises `BadInput` if it is missing or not finite."""
        value = float(self._value(key, (int, float), "a number", default))
        if not math.isfinite(value):
            self.refuse(f"{key} = {value}: not a finite number")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return the boolean under ``key``. Raises `BadInput` if it is something else."""
        return bool(self._value(key, bool, "true or false", default))

    def texts(self, key: str) -> list[str]:
        """Return the list of texts under ``key``. Raises `BadInput` if it is missing."""
        return list(self._value(key, list, "a list of texts", None))

    def array(self, key: str) -> np.ndarray:
        """Return the array of numbers under ``key``. Raises `BadInput` if it is missing."""
        return np.asarray(self._value(key, np.ndarray, "a list of numbers", None))

    def stored(self, tensor: Tensor) -> np.ndarray:
        """Return the values of ``tensor`` as stored: an array of bytes, one row per row of it."""
        rows = math.prod(tensor.shape[:-1])
        data = np.memmap(self.path, np.uint8, "r", tensor.offset, (tensor.size,))
        return data.reshape(rows, tensor.size // rows)

    def _value(self, key: str, kind: Any, expected: str, default: Any) -> Any:
        value = self.metadata.get(key, default)
        if value is None:
            self.refuse(f"the metadata lacks {key}")
        if (
            kind is int
            and isinstance(value, np.ndarray)
            and value.size
            and (value == value[0]).all()
        ):
            value = value[0].item()
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(f"{key} is not {expected}")
        return value


def read(path: Path) -> GGUFFile:
    """Read the header of the GGUF file ``path``.

    Raises `BadInput` if the file cannot be read, is not GGUF, is incomplete or contradicts itself.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise BadInput(f"{path}: not a GGUF file")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Header(path, data).file()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror or e}") from e


class _Header:
    """Reads a header from ``data``, the whole file, front to back."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        self._size, self._position = len(data), len(_MAGIC)

    def file(self) -> GGUFFile:
        version = self._number("<u4")
        if version not in _VERSIONS:
            self._refuse(f"GGUF version {version}; versions 2 and 3, little-endian, are read")
        tensor_count, key_count = self._number("<u8"), self._number("<u8")
        metadata: dict[str, Any] = {}
        for _ in range(self._at_most(key_count, 13)):
            key = self._text()
            if key in metadata:
                self._refuse(f"the metadata has {key} twice")
            metadata[key] = self._value(self._number("<u4"))
        infos = [self._tensor_info() for _ in range(self._at_most(tensor_count, 32))]
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0:
            self._refuse(f"general.alignment = {alignment}; expected a positive integer")
        start = -(-self._position // alignment) * alignment
        tensors: dict[str, Tensor] = {}
        for name, shape, kind, offset in infos:
            if name in tensors:
                self._refuse(f"tensor {name} occurs twice")
            tensors[name] = self._tensor(name, shape, kind, start + offset)
        return GGUFFile(self._path, metadata, tensors)

    def _tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._text(), self._number("<u4")
        if not 0 < dimensions <= _MAX_DIMENSIONS:
            self._refuse(f"tensor {name} has {dimensions} dimensions; expected 1 to 4")
        shape = tuple(self._number("<u8") for _ in range(dimensions))[::-1]
        return name, shape, self._number("<u4"), self._number("<u8")

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
        block, block_size = self._block(name, kind)
        if 0 in shape or shape[-1] % block:
            self._refuse(f"tensor {name} has the shape {shape}; expected rows of {block} values")
        size = math.prod(shape) // block * block_size
        if offset + size > self._size:
            self._refuse(
                f"cut off: tensor {name} ends at byte {offset + size:,}, the file at "
                f"{self._size:,}; copy or download it again"
            )
        return Tensor(name, shape, kind, offset, size)

    def _block(self, name: str, kind: int) -> tuple[int, int]:
        """The number of values in a block of the type ``kind``, and of bytes."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        try:
            return GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError):
            return self._refuse(f"tensor {name} has the unknown type {kind}")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(self._scalar(kind))
        item, count = self._number("<u4"), self._number("<u8")
        if item == _STRING:
            return [self._text() for _ in range(self._at_most(count, 8))]
        dtype = np.dtype(self._scalar(item))
        raw = self._bytes(self._at_most(count, dtype.itemsize) * dtype.itemsize)
        return np.frombuffer(raw, dtype)

    def _scalar(self, kind: int) -> str:
        if kind not in _SCALARS:
            self._refuse(f"the metadata has a value of the unsupported type {kind}")
        return _SCALARS[kind]

    def _number(self, dtype: str) -> Any:
        return np.frombuffer(self._bytes(np.dtype(dtype).itemsize), dtype)[0].item()

    def _text(self) -> str:
        (length,) = struct.unpack("<Q", self._bytes(8))
        try:
            return self._bytes(length).decode("utf-8")
        except UnicodeDecodeError:
            return self._refuse(f"the text before byte {self._position:,} is not UTF-8")

    def _bytes(self, count: int) -> bytes:
        end = self._position + self._at_most(count, 1)
        raw = self._data[self._position : end]
        self._position = end
        return raw

    def _at_most(self, count: int, size: int) -> int:
        """Return ``count``, if the rest of the file can hold so many values of ``size`` bytes."""
        if count * size > self._size - self._position:
            self._refuse("cut off within the header; copy or download the file again")
        return count

    def _refuse(self, reason: str) -> NoReturn:
        _refuse(self._path, reason)


def _refuse(path: Path, reason: str) -> NoReturn:
    """Raise `BadInput`; ``reason`` is cut, since names in a file may have any length."""
    raise BadInput(f"{path}: {reason[:_LONGEST]}")
