"""Exponential functions on a CPU in float32, computed by NumPy.

MLX computes exp there in 19 nanoseconds per number, without vector instructions, and NumPy in less
than one. In a small model, exponentials take a third of the time of an answer: those of attention
and of activations, and those of the whole vocabulary in the logarithm of a probability.

Results are equal to those of MLX up to rounding. NumPy computes at once, and without gradients: a
model to train, or to compile, must be left as it is.
"""

from functools import cache
from math import pi, sqrt
from types import FunctionType, SimpleNamespace
from typing import Any

from lek.models import machine


def use_in(model: Any) -> None:
    """Let the attention and the gated activations of ``model`` compute exponentials in this way.

    ``model``: of mlx_lm, of any architecture that uses its functions for both. Nothing is changed
    on a GPU, and results in other types than float32 are computed by MLX as before.
    """
    if machine.accelerated():
        return
    for _, module in model.named_modules():
        kind: Any = type(module)
        object.__setattr__(module, "__class__", _accelerated(kind))


def log_sum_exp(values: Any) -> Any:
    """The logarithm of the sum of exponentials over the last axis, which is kept with length 1."""
    import mlx.core as mx

    if machine.accelerated() or values.dtype != mx.float32:
        return mx.logsumexp(values, axis=-1, keepdims=True)
    largest = values.max(axis=-1, keepdims=True)
    return largest + mx.log(_exp(values - largest).sum(axis=-1, keepdims=True))


def _exp(values: Any) -> Any:
    """The exponentials of ``values``, written over them; nothing else may refer to ``values``."""
    import numpy as np

    numbers = _memory(values)
    with np.errstate(over="ignore"):
        np.exp(numbers, out=numbers)
    return values


def _memory(values: Any) -> Any:
    """The memory of ``values``, which are computed, as a NumPy array."""
    import mlx.core as mx
    import numpy as np

    mx.eval(values)
    return np.asarray(memoryview(values))


@cache
def _accelerated(original: type[Any]) -> type:
    """``original``, with the functions below in place of those of mlx_lm that its call names."""
    call = original.__call__
    if not isinstance(call, FunctionType):
        return original
    known: dict[str, Any] = {}
    for name, replace in (("scaled_dot_product_attention", _attention), ("swiglu", _swiglu)):
        if name in call.__code__.co_names and name in call.__globals__:
            known[name] = replace(call.__globals__[name])
    if "gelu_approx" in call.__code__.co_names and "nn" in call.__globals__:
        nn = call.__globals__["nn"]
        known["nn"] = SimpleNamespace(**vars(nn) | {"gelu_approx": _gelu(nn.gelu_approx)})
    if not known:
        return original
    function = FunctionType(
        call.__code__, call.__globals__ | known, call.__name__, call.__defaults__, call.__closure__
    )
    function.__kwdefaults__ = call.__kwdefaults__
    return type(original.__name__, (original,), {"__call__": function})


def _swiglu(original: Any) -> Any:
    import mlx.core as mx

    def swiglu(gate: Any, x: Any) -> Any:
        if gate.dtype != mx.float32:
            return original(gate, x)
        return gate / (1 + _exp(-gate)) * x

    return swiglu


def _gelu(original: Any) -> Any:
    """The approximation of GELU by tanh, since (1 + tanh(x)) / 2 is the sigmoid of 2 x."""
    import mlx.core as mx

    def gelu_approx(x: Any) -> Any:
        if x.dtype != mx.float32:
            return original(x)
        return x / (1 + _exp(x * (1 + 0.044715 * x * x) * (-2 * sqrt(2 / pi))))

    return gelu_approx


def _attention(original: Any) -> Any:
    import mlx.core as mx
    import numpy as np

    least = np.finfo(np.float32).min

    def attention(
        queries: Any,
        keys: Any,
        values: Any,
        cache: Any,
        scale: float,
        mask: Any,
        sinks: Any = None,
    ) -> Any:
        if queries.dtype != mx.float32 or sinks is not None or hasattr(cache, "bits"):
            return original(queries, keys, values, cache, scale=scale, mask=mask, sinks=sinks)
        rows, heads, count, width = queries.shape
        groups, length = keys.shape[1:3]  # heads of a group share their keys
        grouped = (queries * scale).reshape(rows, groups, -1, width)
        scores = grouped @ keys.swapaxes(-1, -2)
        weights = _memory(scores)  # to which nothing else refers
        weights = weights.reshape(rows, groups, heads // groups, count, length)
        if isinstance(mask, str):  # causal
            mask = np.tri(count, length, length - count, dtype=bool)
        elif mask is not None:
            mask = _memory(mask)
            if mask.ndim == 4:
                mask = mask[:, :, None] if mask.shape[1] == 1 else mask.reshape(weights.shape)
        if mask is not None:
            if mask.dtype == bool:
                np.copyto(weights, least, where=~mask)
            else:
                weights += mask
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        sums = mx.array(weights.sum(axis=-1, keepdims=True))
        mixed = (scores @ values).reshape(rows, groups, heads // groups, count, -1) / sums
        return mixed.reshape(rows, heads, count, -1)

    return attention
