"""Exponentials by NumPy give the results of MLX, up to rounding, in float32 only."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support import tiny  # loads the BLAS, so it comes before mlx.core

# isort: split
import mlx.core as mx
import pytest
from mlx import nn
from mlx_lm.models.activations import swiglu
from mlx_lm.models.base import scaled_dot_product_attention

from lek.models import exponentials, machine
from lek.models.weights import NumericFormat, load

pytestmark = pytest.mark.skipif(machine.accelerated(), reason="a GPU computes its own exponentials")
MODELS: dict[str, Callable[[Path], Path]] = {
    "gemma3": partial(tiny.gemma, sigma=0.5),
    "gemma2": partial(tiny.llama, sigma=0.5, model_type="gemma2"),
    "gemma3n": partial(tiny.gemma3n, sigma=0.5),
    "llama": partial(tiny.llama, sigma=0.5),
    "qwen3": partial(tiny.llama, sigma=0.5, model_type="qwen3"),
    "phi3": partial(tiny.llama, sigma=0.5, model_type="phi3"),
}


def far(one: Any, other: Any) -> float:
    return float(mx.abs(one - other).max())


def normal(*shape: int, seed: int = 0, dtype: Any = mx.float32) -> Any:
    return mx.random.normal(shape, key=mx.random.key(seed)).astype(dtype)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    form = NumericFormat("float32", dequantize=True)
    model = load(MODELS[kind](tmp_path), form).model
    ids = mx.array([[2, 7, 9, 11, 30, 60, 61], [2, 8, 8, 8, 31, 5, 40]])
    before = model(ids)
    mx.eval(before)
    exponentials.use_in(model)
    assert far(before, model(ids)) < 1e-4 * float(mx.abs(before).max())


def test_both_functions_of_a_llama_are_replaced(tmp_path: Path) -> None:
    model = load(tiny.llama(tmp_path)).model
    exponentials.use_in(model)
    for module in (model.layers[0].self_attn, model.layers[0].mlp):
        functions = type(module).__call__.__globals__
        assert any(
            functions.get(name) not in (None, own)
            for name, own in {
                "swiglu": swiglu,
                "scaled_dot_product_attention": scaled_dot_product_attention,
            }.items()
        )


CAUSAL = mx.arange(3, 8)[:, None] >= mx.arange(8)[None]  # five queries, eight keys
MASKS = {
    "none": None,
    "causal": "causal",
    "of all rows": CAUSAL,
    "of each row": mx.stack([CAUSAL, CAUSAL & (mx.arange(8) > 1)])[:, None],
    "of each head": mx.broadcast_to(CAUSAL, (2, 6, 5, 8)),
    "to add": mx.where(CAUSAL, 0.0, -1e9),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_attention(mask: str, groups: int) -> None:
    queries, keys, values = normal(2, 6, 5, 16), normal(2, groups, 8, 16), normal(2, groups, 8, 4)
    given = (10 * queries, keys, values, None)
    ours = exponentials._attention(scaled_dot_product_attention)
    expected = scaled_dot_product_attention(*given, scale=0.5, mask=MASKS[mask])
    found = ours(*given, scale=0.5, mask=MASKS[mask])
    assert found.shape == (2, 6, 5, 4)
    assert far(found, expected) < 1e-5


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_activations(size: float) -> None:
    gate, x = size * normal(4, 50), normal(4, 50, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as one about an overflow
        silu = exponentials._swiglu(swiglu)(gate, x)
        gelu = exponentials._gelu(nn.gelu_approx)(gate)
    assert far(silu, swiglu(gate, x)) < 1e-5 * size
    assert far(gelu, nn.gelu_approx(gate)) < 1e-5 * size


def test_other_types_are_left_to_mlx() -> None:
    gate = normal(4, 50, dtype=mx.bfloat16)
    assert mx.array_equal(exponentials._swiglu(swiglu)(gate, gate), swiglu(gate, gate))
    assert mx.array_equal(exponentials._gelu(nn.gelu_approx)(gate), nn.gelu_approx(gate))
    queries = normal(2, 6, 5, 16, dtype=mx.bfloat16)
    ours = exponentials._attention(scaled_dot_product_attention)
    given = (queries, queries, queries, None)
    expected = scaled_dot_product_attention(*given, scale=0.5, mask="causal")
    assert mx.array_equal(ours(*given, scale=0.5, mask="causal"), expected)


def test_the_logarithm_of_a_sum() -> None:
    values = 100 * normal(3, 1000)
    expected = mx.logsumexp(values, axis=-1, keepdims=True)
    assert far(exponentials.log_sum_exp(values), expected) < 1e-4
    assert mx.array_equal(values, 100 * normal(3, 1000))  # not written over
