"""Existing LoRA adapters, which ``mlx_lm.lora`` has written: their checks, and fusing them.

An adapter of another kind is refused with its kind: DoRA, a full fine-tune, or PEFT's format.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from lek.errors import BadInput
from lek.models import lora, weights

CONFIG = "adapter_config.json"
_EXPECTED = f"expected {lora.WEIGHTS} and {CONFIG}, as mlx_lm.lora writes them"
_PEFT_FILES = ("adapter_model.safetensors", "adapter_model.bin")


class _Parameters(msgspec.Struct):
    rank: Annotated[int, msgspec.Meta(ge=1)]
    scale: float
    dropout: float
    keys: list[str] | None = None


class _Config(msgspec.Struct):
    num_layers: int
    lora_parameters: _Parameters
    fine_tune_type: Literal["lora"] = "lora"


def files(directory: Path) -> tuple[Path, Path]:
    """The files of an adapter that determine the fused model: its config and its weights."""
    return directory / CONFIG, directory / lora.WEIGHTS


def check(directory: Path) -> None:
    """Raise `BadInput` unless ``directory`` holds a LoRA adapter of mlx_lm.

    Reads no weights, so whether it fits its base model is left to `fuse`.
    """
    if not directory.is_dir():
        raise BadInput(f"{directory}: no such directory; {_EXPECTED}")
    has_weights = (directory / lora.WEIGHTS).exists()
    if not has_weights and any((directory / name).exists() for name in _PEFT_FILES):
        raise BadInput(f"{directory}: {_PEFT}")
    config = _config(directory)
    kind = _PEFT if "peft_type" in config else _KINDS.get(str(config.get("fine_tune_type")))
    kind = kind or _kind_of(weights.header_of(directory / lora.WEIGHTS, "adapter"))
    if kind is not None:
        raise BadInput(f"{directory}: {kind}")
    try:
        msgspec.convert(config, _Config)
    except msgspec.ValidationError as e:
        raise BadInput(f"{directory / CONFIG}: {e}; {_EXPECTED}") from e


_PEFT = (
    "an adapter in PEFT's format, which is not read; merge it into its base with PEFT, and give "
    "the result as 'model'"
)
_DORA = (
    "a DoRA adapter, which is not supported; train with fine_tune_type 'lora', or fuse it with "
    "mlx_lm.fuse and give the result as 'model'"
)
_FULL = (
    "the weights of a full fine-tune, not a LoRA adapter; fuse them with mlx_lm.fuse and give the "
    "result as 'model'"
)


_KINDS = {"dora": _DORA, "full": _FULL}


def _kind_of(names: Collection[str]) -> str | None:
    """What the tensors with these ``names`` are, if not a LoRA adapter of mlx_lm."""
    leaves = {name.rpartition(".")[2] for name in names}
    if any(".lora_A." in name for name in names):
        return _PEFT
    if "m" in leaves:  # the magnitudes
        return _DORA
    if leaves - {"lora_a", "lora_b"}:
        return _FULL
    return None if names else f"{lora.WEIGHTS} holds no tensors; {_EXPECTED}"


def fuse(model: Path, adapter: Path, out: Path) -> dict[str, Any]:
    """Write ``model`` with the existing ``adapter`` added to its weights, dequantised, to ``out``.

    The files are those of ``mlx_lm fuse --dequantize``. Returns the ``digest`` of the adapter's
    weights (SHA-256), and its ``num_layers`` and ``lora_parameters``. Raises `BadInput` if `check`
    does, if the adapter has other tensors than its config describes for this model, or if a value
    is not finite.
    """
    check(adapter)
    loaded = weights.load(model)
    from mlx_lm.utils import load_adapters

    try:
        load_adapters(loaded.model, str(adapter))
    except ValueError as e:
        first, *others = str(e).splitlines()[1:] or [str(e)]
        more = f" (and {len(others)} more)" if others else ""
        raise BadInput(f"{adapter}: {_MISFIT} {model}: {first.strip()}{more}") from e
    _check_loaded(loaded.model, model, adapter)
    lora.save_fused(loaded, model, out)
    config = _config(adapter)
    return {
        "digest": lora.digest_of(adapter / lora.WEIGHTS),
        **{key: config[key] for key in ("num_layers", "lora_parameters")},
    }


_MISFIT = "an adapter of another model than"


def _check_loaded(network: Any, model: Path, adapter: Path) -> None:
    """Raise `BadInput` unless all LoRA parameters of ``network`` come from ``adapter``, finite."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    names = weights.header_of(adapter / lora.WEIGHTS, "adapter")
    parameters: dict[str, Any] = dict(tree_flatten(network.parameters()))
    added = [n for n in parameters if n.rpartition(".")[2] in ("lora_a", "lora_b")]
    missing = [name for name in added if name not in names]
    if missing:
        raise BadInput(
            f"{adapter}: {_MISFIT} {model}: {missing[0]} and {len(missing) - 1} more of the "
            f"{len(added)} tensors that {CONFIG} describes are missing"
        )
    for name in names:
        if not mx.isfinite(parameters[name]).all().item():
            raise BadInput(f"{adapter}: {name} has values that are not finite; train it again")


def _config(directory: Path) -> dict[str, Any]:
    """The content of an adapter's config, before it is checked."""
    path = directory / CONFIG
    try:
        content = json.loads(path.read_bytes())
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}; {_EXPECTED}") from e
    except ValueError as e:
        raise BadInput(f"{path}: not JSON: {e}; {_EXPECTED}") from e
    if not isinstance(content, dict):
        raise BadInput(f"{path}: not a JSON object; {_EXPECTED}")
    return content
