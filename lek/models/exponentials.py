"""Exponential functions on a CPU, for float32.

MLX computes exp there in 20 nanoseconds per number and powers of 2 in 6, with the same precision.
Exponentials are a considerable part of the time of a small model: in the activations, and over the
whole vocabulary in the logarithm of a probability.
"""

from functools import cache
from math import e, log2, pi, sqrt
from typing import Any

from lek.models import machine

_LOG2_E = log2(e)
_SILU = {f"mlx_lm.models.{name}" for name in ("llama", "qwen2", "qwen3")}
_GELU = {f"mlx_lm.models.{name}" for name in ("gemma2", "gemma3_text")}


def log_sum_exp(values: Any) -> Any:
    """The logarithm of the sum of exponentials over the last axis, which is kept with length 1."""
    import mlx.core as mx

    if machine.accelerated() or values.dtype != mx.float32:
        return mx.logsumexp(values, axis=-1, keepdims=True)
    largest = values.max(axis=-1, keepdims=True)
    powers = mx.power(2.0, (values - largest) * _LOG2_E)
    return largest + mx.log(powers.sum(axis=-1, keepdims=True))


def use_in_activations(model: Any) -> None:
    """Let the blocks of ``model`` compute their activations in this way, if that is faster.

    Results are equal up to rounding. For models to train, leave it out: the gradient of the usual
    form is faster, and the adapters are then those of mlx_lm.
    """
    import mlx.core as mx
    from mlx import nn

    if machine.accelerated():
        return
    for block in model.layers:
        mlp: Any = getattr(block, "mlp", None)
        kind: Any = type(mlp)
        gate: Any = getattr(mlp, "gate_proj", None)
        if type(gate) is nn.Linear and gate.weight.dtype == mx.float32:
            if kind.__module__ in _SILU:
                object.__setattr__(mlp, "__class__", _with(kind, _silu))
            elif kind.__module__ in _GELU:
                object.__setattr__(mlp, "__class__", _with(kind, _gelu))


def _sigmoid(values: Any) -> Any:
    import mlx.core as mx

    return 1 / (1 + mx.power(2.0, values * -_LOG2_E))


def _silu(values: Any) -> Any:
    return values * _sigmoid(values)


def _gelu(values: Any) -> Any:
    """The approximation of GELU by tanh, since (1 + tanh(x)) / 2 is the sigmoid of 2 x."""
    cubic = values * (1 + 0.044715 * values * values)
    return values * _sigmoid(cubic * (2 * sqrt(2 / pi)))


@cache
def _with(original: Any, activation: Any) -> type:
    """The class of a gated MLP with another implementation of its activation."""

    def call(self: Any, x: Any) -> Any:
        return self.down_proj(activation(self.gate_proj(x)) * self.up_proj(x))

    return type(original.__name__, (original,), {"__call__": call})
