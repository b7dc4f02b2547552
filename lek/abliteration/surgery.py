"""The sites of a model and a direction -> new weights that write nothing along it, or an adapter.

Computed in float32 and never quantised: 4 bits lose most of so small a change.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lek.abliteration.projection import BRANCHES, Site, projector, sites
from lek.errors import BadInput


def check_plain(found: Sequence[Site]) -> None:
    """Raise `BadInput` where a layer is quantised: its codes cannot hold so small a change."""
    from mlx import nn

    for site in found:
        if not isinstance(site.linear, nn.Linear):
            raise BadInput(
                f"abliterate: a layer is a {type(site.linear).__name__}; dequantise (or fuse) the "
                "model first, since 4 bits lose most of an edit"
            )


def edited(found: Sequence[Site], direction: Any, ridge: float) -> list[tuple[Any, str, Any]]:
    """The new weights as (linear, name, array), computed in float32, in the dtype of the old.

    Raises `BadInput` where a layer is quantised.
    """
    import mlx.core as mx

    check_plain(found)
    new = []
    for site in found:
        p, q = projector(site, direction, ridge)
        for name in {"weight", "bias"} & site.linear.keys():
            old = site.linear[name].astype(mx.float32)
            rows = old if name == "weight" else old[:, None]
            # a sum, not a product of matrices: those are rounded to 10 bits (TF32) on some GPUs
            change = p[:, None] * (q[:, None] * rows).sum(0, keepdims=True)
            value = (rows - change).reshape(old.shape).astype(site.linear[name].dtype)
            mx.eval(value)
            new.append((site.linear, name, value))
    return new


@contextmanager
def swapped(weights: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """For the duration, the model has ``weights``, as `edited` gives them."""
    old = [(linear, name, linear[name]) for linear, name, _ in weights]
    put(weights)
    try:
        yield
    finally:
        put(old)


def put(weights: Sequence[tuple[Any, str, Any]]) -> None:
    """Give the model ``weights`` for good."""
    for linear, name, value in weights:
        linear[name] = value


def as_adapter(model: Any, direction: Any, directory: Path, *, ridge: float) -> None:
    """Write the edit of ``model`` as a LoRA adapter of rank 1 that mlx_lm loads.

    For a quantised model, whose own weights cannot hold the edit: W' = W - p q'W is W plus the
    adapter with lora_a = W'q and lora_b = -p', in float32. Raises `BadInput` where a layer has a
    bias, which an adapter cannot change, and where ``directory`` holds an adapter already.
    """
    import mlx.core as mx

    names = {id(module): name for name, module in model.named_modules()}
    tensors = {}
    for site in sites(model):
        name, linear = names[id(site.linear)], site.linear
        if "bias" in linear:
            raise BadInput(f"abliterate: {name} has a bias, which an adapter cannot change")
        p, q = projector(site, direction, ridge)
        tensors[f"{name}.lora_a"] = (q[:, None] * _full(linear)).sum(0)[:, None]
        tensors[f"{name}.lora_b"] = -p[None]
    config = {
        "fine_tune_type": "lora",
        "num_layers": -1,
        "lora_parameters": {"rank": 1, "scale": 1.0, "dropout": 0.0, "keys": list(BRANCHES)},
    }
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "adapters.safetensors"
    if file.exists():
        raise BadInput(f"{file}: exists; name a new directory")
    mx.save_safetensors(str(file), tensors)
    (directory / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")


def _full(linear: Any) -> Any:
    """The weights of a linear layer, quantised or not, in float32."""
    import mlx.core as mx
    from mlx import nn

    if isinstance(linear, nn.QuantizedLinear):
        weight = mx.dequantize(
            linear.weight,
            linear.scales,
            linear.get("biases"),
            group_size=linear.group_size,
            bits=linear.bits,
            mode=linear.mode,
        )
        return weight.astype(mx.float32)
    check_plain([Site(linear)])
    return linear.weight.astype(mx.float32)
