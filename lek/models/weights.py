"""Load and save models in Hugging Face format, and convert their numeric format.

Nothing here executes code that comes with a model: a directory that asks for it is rejected.
"""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from lek.errors import BadInput
from lek.models import machine
from lek.profile.schema import Dtype


@dataclass(frozen=True)
class NumericFormat:
    """The numeric format of a model's weights.

    ``dtype``: ``None`` for the stored one. Without ``dequantize``, quantised layers stay quantised.
    """

    dtype: Dtype | None = None
    dequantize: bool = False

    def __str__(self) -> str:
        return f"{self.dtype or 'as stored'}, {'dequantised' if self.dequantize else 'quantised'}"


@dataclass
class Loaded:
    """A model in memory: the ``mlx_lm`` model, its tokenizer wrapper and its ``config.json``."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]


def load(directory: Path, form: NumericFormat | None = None, *, lazy: bool = False) -> Loaded:
    """Load the model in ``directory`` and convert it to ``form`` (default: as it is stored).

    ``lazy``: read no weights until they are used; their names and shapes are checked. Raises
    `BadInput` if the directory holds no model that mlx_lm can load.
    """
    read_config(directory)
    machine.import_mlx_lm()
    from mlx_lm import load as load_model

    with _loading(directory), _without_wildcards(directory) as path:
        loading: Any = load_model(str(path), lazy=lazy, return_config=True)
    model, tokenizer, config = loading
    from lek.models.corrections import correct

    correct(model)
    loaded = Loaded(model, tokenizer, config)
    return loaded if form is None else in_form(loaded, form)


def load_without_weights(directory: Path) -> Loaded:
    """Load the tokenizer of the model in ``directory``, and its architecture without weights.

    The parameters of the model have its shapes, and no values. Raises `BadInput` as `load` does.
    """
    config = read_config(directory)
    machine.import_mlx_lm()
    from mlx_lm.tokenizer_utils import load as load_tokenizer
    from mlx_lm.utils import _get_classes

    with _loading(directory):
        network, arguments = _get_classes(config)
        model = cast(Any, network)(cast(Any, arguments).from_dict(config))
        tokenizer: Any = load_tokenizer(directory, eos_token_ids=config.get("eos_token_id"))
    return Loaded(model, tokenizer, config)


@contextmanager
def _loading(directory: Path) -> Iterator[None]:
    """Raise `BadInput` for whatever mlx_lm and transformers raise for an unsuitable file."""
    try:
        yield
    except Exception as e:
        cause = f"{type(e).__name__}: {str(e).strip()}".splitlines()[0][:200]
        raise BadInput(f"{directory}: no model that mlx_lm can load: {cause}") from e


def in_form(loaded: Loaded, form: NumericFormat) -> Loaded:
    """Convert ``loaded`` to ``form`` in place: dequantise first, then cast floating-point arrays.

    Casting a quantised model casts its scales, never its codes; nothing is ever quantised again.
    """
    import mlx.core as mx
    from mlx_lm.utils import dequantize_model

    if form.dequantize:
        loaded.model = dequantize_model(loaded.model)
        for key in ("quantization", "quantization_config"):
            loaded.config.pop(key, None)
    if form.dtype is not None:
        loaded.model.set_dtype(getattr(mx, form.dtype))
        for key in {"dtype", "torch_dtype"} & loaded.config.keys():
            loaded.config[key] = form.dtype
    mx.eval(loaded.model.parameters())
    return loaded


def save(loaded: Loaded, directory: Path, *, source: Path) -> None:
    """Write ``loaded`` to ``directory``, with the generation settings of ``source``.

    The result has the files that ``mlx_lm fuse`` writes: safetensors, config, tokenizer, card.
    """
    from mlx_lm.utils import save as save_model

    with _without_wildcards(source) as path:
        # donate_model=True would empty the model, which is still in use
        save_model(
            directory,
            path,
            loaded.model,
            loaded.tokenizer,
            dict(loaded.config),
            donate_model=False,
        )


@contextmanager
def _without_wildcards(directory: Path) -> Iterator[Path]:
    """Give ``directory`` a path without ``*``, ``?`` and ``[``, within the context.

    mlx_lm uses the path of a model as a pattern for the names of its files.
    """
    if not has_magic(str(directory)):
        yield directory
        return
    with TemporaryDirectory() as temporary:
        link = Path(temporary) / "model"
        link.symlink_to(directory.resolve(), target_is_directory=True)
        yield link


def stored_form(directory: Path) -> NumericFormat:
    """Return the numeric format of a model directory.

    ``dtype`` is read from the safetensors files, whatever the config says: ``None`` if the
    floating-point tensors have several types, or one that is not in `Dtype`. ``dequantize`` is
    true if the config names no quantisation. Raises `BadInput` if there are no weights.
    """
    config = read_config(directory)
    quantised = bool(config.get("quantization") or config.get("quantization_config"))
    types: set[str] = set()
    for file in sorted(directory.glob("*.safetensors")):
        types |= {tensor["dtype"] for tensor in header_of(file).values()}
    if not types:
        raise BadInput(
            f"{directory}: no .safetensors file; convert the weights, other formats are not read"
        )
    return numeric_format(types, quantised)


def numeric_format(types: Iterable[str], quantised: bool) -> NumericFormat:
    """Return the format of weights that are stored in these ``types`` of safetensors."""
    floats = {_DTYPES.get(t) for t in types if t not in _INTEGERS}
    return NumericFormat(floats.pop() if len(floats) == 1 else None, dequantize=not quantised)


LFS = b"version https://git-lfs"  # the beginning of a pointer of git-lfs
_MOST_HEADER = 100_000_000  # bytes of the header of a safetensors file
_BYTES = {  # per value of a type of safetensors
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2,
    "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


def header_of(file: Path, of: str = "model") -> dict[str, dict[str, Any]]:
    """Return ``dtype``, ``shape`` and ``data_offsets`` of each tensor in a safetensors file.

    ``of``: what the file belongs to, for errors. Raises `BadInput` if the file is not one, or if
    its header does not fit it.
    """
    again = f"download or build the {of} again"
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(len(LFS))
            stream.seek(8)
            length = int.from_bytes(start[:8], "little")
            if start == LFS:
                raise BadInput(
                    f"{file}: not a safetensors file: a pointer of git-lfs, not the weights; run "
                    "'git lfs pull'"
                )
            if not 2 <= length <= min(size - 8, _MOST_HEADER):
                raise BadInput(f"{file}: empty, cut off or not safetensors; {again}")
            header: dict[str, dict[str, Any]] = dict(json.loads(stream.read(length)))
        header.pop("__metadata__", None)
        end = 8 + length + max(map(_end, header.values()), default=0)
    except BadInput:
        raise
    except OSError as e:
        raise BadInput(f"{file}: cannot be read: {e.strerror or e}") from e
    except (ValueError, TypeError, LookupError) as e:
        raise BadInput(f"{file}: its header is damaged ({e}); {again}") from e
    if size != end:
        raise BadInput(
            f"{file}: {size:,} bytes, but its header describes {end:,} bytes of header and "
            f"tensors; {again}"
        )
    return header


def _end(tensor: dict[str, Any]) -> int:
    """Where a tensor ends in the data; raises `ValueError` if its shape does not fit."""
    begin, end = tensor["data_offsets"]
    values = math.prod(tensor["shape"])
    if tensor["dtype"] in _BYTES and end - begin != values * _BYTES[tensor["dtype"]]:
        raise ValueError(f"{end - begin} bytes for the shape {tensor['shape']}")
    return int(end)


_DTYPES: dict[str, Dtype] = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_INTEGERS = {"U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "BOOL"}


def read_config(directory: Path) -> dict[str, Any]:
    """Return the config of a model directory; raise `BadInput` if it is unusable or needs code."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except OSError as e:
        expected = "expected a model directory"
        if gguf := sorted(directory.glob("*.gguf")):
            expected = f"to use the GGUF file in this directory, name {gguf[0].name} itself"
        raise BadInput(f"{path}: cannot be read: {e.strerror}; {expected}") from e
    except ValueError as e:
        raise BadInput(f"{path}: not JSON: {e}") from e
    if not isinstance(config, dict) or "model_type" not in config:
        raise BadInput(f'{path}: no "model_type"; expected the config of a model')
    if "auto_map" in config or "model_file" in config:
        raise BadInput(
            f"{path}: the model requires code of its own, which is never run here; give a model "
            "that needs none"
        )
    return config
