"""A model and a direction r -> the same model none of whose blocks writes along r.

Blocks with a norm behind each branch (Gemma 2 and 3) write y = D a/rms(a), D = diag(the norm's
scale), so r'y = 0 exactly when (Dr)'a = 0: W' = W - p (Dr)'W with (Dr)'p = 1. The choice
p ~ (D^2 + ridge mean(D^2))^-1 Dr changes y least; without norms D = 1 and W' = (I - rr') W. The
embedding stays: it writes what the prompt says, and is the unembedding in tied models.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lek.errors import BadInput
from lek.models.abliteration.batches import Hook, batches, with_forward_hooks

BRANCHES = ("self_attn.o_proj", "mlp.down_proj")
_NORMS: tuple[tuple[str, str] | None, ...] = (
    None,
    ("post_attention_layernorm", "post_feedforward_layernorm"),  # Gemma 2 and 3, OLMo 2
    ("post_self_attn_layernorm", "post_mlp_layernorm"),  # GLM 4
)
_LEAK = 0.02  # of what was written along r: far above bfloat16's rounding, far below a wrong D


@dataclass(frozen=True)
class Site:
    """A linear layer whose output, through ``norm`` if there is one, is added to the stream."""

    linear: Any
    norm: Any = None

    @property
    def written(self) -> Any:
        """The module whose output is added."""
        return self.linear if self.norm is None else self.norm


def sites(model: Any) -> list[Site]:
    """Where the blocks of ``model`` write, attention and MLP in turn.

    Names don't tell whether a norm lies behind or before a branch (Llama's
    ``post_attention_layernorm`` is before the MLP), so each reading is tried: a direction is
    removed by it, and what the blocks then add to their input is measured. Raises `BadInput` where
    no reading removes it.
    """
    import mlx.core as mx

    kind = getattr(model, "model_type", type(model).__name__)
    tried = [found for names in _NORMS if (found := _read(model, names, kind))]
    before = _added(model)
    axis = mx.stack([w[-1] / mx.sqrt((w[-1] * w[-1]).sum()) for w in before]).sum(0)
    direction = axis / mx.sqrt((axis * axis).sum())
    left = []
    for found in tried:
        with removed(found, direction, ridge=0.01):
            left.append(_along(_added(model), direction) / _along(before, direction))
    best = min(range(len(tried)), key=lambda i: left[i])
    if not left[best] < _LEAK:  # also where it is not a number
        raise BadInput(
            f"abliterate: cannot tell how the blocks of architecture {kind!r} write: removing a "
            f"direction from {' and '.join(BRANCHES)} leaves {left[best]:.0%} of it"
        )
    return tried[best]


def projector(site: Site, direction: Any, ridge: float) -> tuple[Any, Any]:
    """p and q = Dr, each (hidden,) float32, for W' = W - p q'W; q'p = 1."""
    import mlx.core as mx
    import numpy as np

    r = np.asarray(direction, dtype=np.float64)
    if site.norm is None:
        unit = mx.array((r / np.linalg.norm(r)).astype(np.float32))
        return unit, unit
    scale = _scale(site)
    q = scale * r
    p = q / (scale**2 + ridge * np.mean(scale**2))
    p, q = ((v / np.sqrt(q @ p)).astype(np.float32) for v in (p, q))
    return mx.array(p), mx.array(q)


def removed(found: Sequence[Site], direction: Any, ridge: float) -> AbstractContextManager[None]:
    """For the duration, the model computes as if edited; its weights are not touched."""

    def around(p: Any, q: Any) -> Hook:
        import mlx.core as mx

        def call(own: Any, *args: Any) -> Any:
            a = own(*args)
            full = a.astype(mx.float32)
            return (full - (full * q).sum(-1, keepdims=True) * p).astype(a.dtype)

        return call

    return with_forward_hooks([(s.linear, around(*projector(s, direction, ridge))) for s in found])


def leak(
    model: Any, found: Sequence[Site], direction: Any, prompts: Sequence[Sequence[int]]
) -> float:
    """The largest abs(r'y)/abs(y) of all writes y, at every position of ``prompts``."""
    import mlx.core as mx
    import numpy as np

    r = mx.array(np.asarray(direction, dtype=np.float32))
    shares: list[Any] = []

    def measure(own: Any, *args: Any) -> Any:
        out = own(*args)
        y = out.astype(mx.float32)
        size = mx.sqrt((y * y).sum(-1))
        along = mx.abs((y * r).sum(-1))
        shares.append(mx.where(size > 0, along / size, 0.0).max())
        return out

    worst = 0.0
    with with_forward_hooks([(site.written, measure) for site in found]):
        for batch in batches(model, prompts):
            shares.clear()
            model(batch.ids)
            worst = max(worst, float(mx.stack(shares).max()))
    return worst


def _scale(site: Site) -> Any:
    """D as the norm itself applies it, in float64: 1 + w in Gemma, w elsewhere. Up to a factor."""
    import mlx.core as mx
    import numpy as np

    size = site.norm.weight.shape[0]
    ones = mx.ones((1, size), dtype=site.norm.weight.dtype)
    return np.array(site.norm(ones)[0].astype(mx.float32)).astype(np.float64)


def _read(model: Any, norms: tuple[str, str] | None, kind: str) -> list[Site]:
    """The sites by the names of their modules; none where a block lacks a norm."""
    found = []
    for number, block in enumerate(model.layers, 1):
        for branch, norm in zip(BRANCHES, norms or (None, None), strict=True):
            half, name = branch.split(".")
            linear = getattr(getattr(block, half, None), name, None)
            if linear is None or not hasattr(linear, "weight") or linear.weight.ndim != 2:
                raise BadInput(
                    f"abliterate: block {number} of architecture {kind!r} has no {branch} with "
                    "one matrix; only models whose blocks have both can be edited"
                )
            if norm is not None and not hasattr(block, norm):
                return []
            found.append(Site(linear, None if norm is None else getattr(block, norm)))
    return found


def _added(model: Any) -> list[Any]:
    """What each block adds to an input (1, 8, hidden) so small that it hides nothing of it."""
    import mlx.core as mx

    added: list[Any] = []

    def measure(own: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        tiny = (1e-3 * mx.random.normal(x.shape, key=mx.random.key(0))).astype(x.dtype)
        write = own(tiny, *args, **kwargs) - tiny
        added.append(write.astype(mx.float32)[0])
        return write

    with with_forward_hooks([(block, measure) for block in model.layers]):
        model(mx.arange(1, 9)[None])
    return added


def _along(added: Sequence[Any], direction: Any) -> float:
    """The root mean square of the share of each row along ``direction``."""
    import mlx.core as mx

    share = [(w @ direction) / mx.sqrt((w * w).sum(-1)) for w in added]
    return float(mx.sqrt(mx.square(mx.stack(share)).mean()))


def check_unquantised(found: Sequence[Site]) -> None:
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

    check_unquantised(found)
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
