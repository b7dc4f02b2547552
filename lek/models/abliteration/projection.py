"""Edit a model's weights so that no block writes along a direction r to the residual stream.

Blocks with a norm after each branch (Gemma 2 and 3) write y = D a/rms(a), where D = diag(the norm's
scale), so r'y = 0 exactly if (Dr)'a = 0: W' = W - p (Dr)'W with (Dr)'p = 1. The choice
p ~ (D^2 + ridge mean(D^2))^-1 Dr changes y least; without norms D = 1 and W' = (I - rr') W. The
embedding is not edited: it represents the prompt, and it is the unembedding in tied models.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lek.errors import BadInput
from lek.models.abliteration.batches import Hook, batches, with_forward_hooks

_ATTENTION, _MLP = "self_attn.o_proj", "mlp.down_proj"
# by the linear layers that write: the norm between each and the residual stream
_LAYOUTS: tuple[dict[str, str | None], ...] = (
    {_ATTENTION: None, _MLP: None},
    {_ATTENTION: "post_attention_layernorm", _MLP: "post_feedforward_layernorm"},  # Gemma, OLMo 2
    {_ATTENTION: "post_self_attn_layernorm", _MLP: "post_mlp_layernorm"},  # GLM 4
)
_GEMMA_3N: dict[str, str | None] = {
    _ATTENTION: "post_attention_layernorm",
    _MLP: "post_feedforward_layernorm",
    "laurel.linear_right": "laurel.post_laurel_norm",
    "per_layer_projection": "post_per_layer_input_norm",
}
# of what was written along r: far above the rounding of bfloat16, far below the effect of a wrong D
_MAX_REMAINDER = 0.02


@dataclass(frozen=True)
class Site:
    """A linear layer whose output is added to the residual stream, through ``norm`` if given."""

    linear: Any
    norm: Any = None

    @property
    def written(self) -> Any:
        """The module whose output is added to the residual stream."""
        return self.linear if self.norm is None else self.norm


def sites(model: Any) -> list[Site]:
    """Return where the blocks of ``model`` write: attention and MLP of each block in turn.

    Names don't show whether a norm follows or precedes a branch (Llama's
    ``post_attention_layernorm`` precedes the MLP), so each interpretation is tried: a direction is
    removed accordingly, and what the blocks then add to their input is measured. Raises `BadInput`
    if no interpretation removes it. Gemma 3n's names are its own; its blocks also pass on their
    normed input (LAuReL), from which the edit of a linear layer removes nothing.
    """
    import mlx.core as mx

    kind = getattr(model, "model_type", type(model).__name__)
    if kind == "gemma3n":
        return _by_names(model, _GEMMA_3N, kind)
    options = [found for layout in _LAYOUTS if (found := _by_names(model, layout, kind))]
    before = _writes(model)
    axis = mx.stack([w[-1] / mx.sqrt((w[-1] * w[-1]).sum()) for w in before]).sum(0)
    direction = axis / mx.sqrt((axis * axis).sum())
    remainders = []
    for write_sites in options:
        with removed(write_sites, direction, ridge=0.01):
            after = _writes(model)
            remainders.append(_rms_share(after, direction) / _rms_share(before, direction))
    best = min(range(len(options)), key=lambda i: remainders[i])
    if not remainders[best] < _MAX_REMAINDER:  # negated, so that NaN fails too
        raise BadInput(
            f"abliterate: cannot determine how the blocks of architecture {kind!r} write: removing "
            f"a direction from {_ATTENTION} and {_MLP} leaves {remainders[best]:.0%} of it; use a "
            "model of another architecture"
        )
    return options[best]


def projector(site: Site, direction: Any, ridge: float) -> tuple[Any, Any]:
    """Return p and q = Dr for W' = W - p q'W, each (hidden,) in float32, with q'p = 1."""
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


def removed(
    write_sites: Sequence[Site], direction: Any, ridge: float
) -> AbstractContextManager[None]:
    """Return a context in which the model computes as if edited; its weights do not change."""

    def hook(p: Any, q: Any) -> Hook:
        import mlx.core as mx

        def call(own: Any, *args: Any) -> Any:
            a = own(*args)
            full = a.astype(mx.float32)
            return (full - (full * q).sum(-1, keepdims=True) * p).astype(a.dtype)

        return call

    return with_forward_hooks(
        [(site.linear, hook(*projector(site, direction, ridge))) for site in write_sites]
    )


def leak(
    model: Any, write_sites: Sequence[Site], direction: Any, prompts: Sequence[Sequence[int]]
) -> float:
    """Return the largest abs(r'y)/abs(y) of all writes y, over all positions of ``prompts``."""
    import mlx.core as mx
    import numpy as np

    r = mx.array(np.asarray(direction, dtype=np.float32))
    shares: list[Any] = []

    def measure(own: Any, *args: Any) -> Any:
        out = own(*args)
        y = out.astype(mx.float32)
        norm = mx.sqrt((y * y).sum(-1))
        along = mx.abs((y * r).sum(-1))
        shares.append(mx.where(norm > 0, along / norm, 0.0).max())
        return out

    worst = 0.0
    with with_forward_hooks([(site.written, measure) for site in write_sites]):
        for batch in batches(model, prompts):
            shares.clear()
            model(batch.ids)
            worst = max(worst, float(mx.stack(shares).max()))
    return worst


def _scale(site: Site) -> Any:
    """D (hidden,) in float64, up to a factor, as the norm applies it: 1 + w in Gemma, else w."""
    import mlx.core as mx
    import numpy as np

    size = site.norm.weight.shape[0]
    ones = mx.ones((1, size), dtype=site.norm.weight.dtype)
    return np.array(site.norm(ones)[0].astype(mx.float32)).astype(np.float64)


def _by_names(model: Any, layout: dict[str, str | None], kind: str) -> list[Site]:
    """Return the sites by the names of their modules; an empty list if a block lacks a norm."""
    write_sites = []
    for number, block in enumerate(model.layers, 1):
        for branch, norm in layout.items():
            linear = _module(block, branch)
            if linear is None or not hasattr(linear, "weight") or linear.weight.ndim != 2:
                raise BadInput(
                    f"abliterate: block {number} of architecture {kind!r} has no {branch} with "
                    "one matrix; only models whose blocks have both can be edited"
                )
            scale = None if norm is None else _module(block, norm)
            if norm is not None and scale is None:
                return []
            write_sites.append(Site(linear, scale))
    return write_sites


def _module(block: Any, name: str) -> Any:
    """The module of ``block`` with the dotted ``name``; ``None`` if there is none."""
    for part in name.split("."):
        block = getattr(block, part, None)
    return block


def _writes(model: Any) -> list[Any]:
    """What each block adds, (8, hidden), to a random input too small to mask any of it."""
    import mlx.core as mx

    writes: list[Any] = []

    def measure(own: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        tiny = (1e-3 * mx.random.normal(x.shape, key=mx.random.key(0))).astype(x.dtype)
        write = own(tiny, *args, **kwargs) - tiny
        writes.append(write.astype(mx.float32)[0])
        return write

    with with_forward_hooks([(block, measure) for block in model.layers]):
        model(mx.arange(1, 9)[None])
    return writes


def _rms_share(writes: Sequence[Any], direction: Any) -> float:
    """The root mean square, over all rows, of the share of a row along ``direction``."""
    import mlx.core as mx

    shares = [(w @ direction) / mx.sqrt((w * w).sum(-1)) for w in writes]
    return float(mx.sqrt(mx.square(mx.stack(shares)).mean()))


def check_unquantised(write_sites: Sequence[Site]) -> None:
    """Raise `BadInput` if a layer is quantised: its codes cannot hold so small a change."""
    from mlx import nn

    for site in write_sites:
        if not isinstance(site.linear, nn.Linear):
            raise BadInput(
                f"abliterate: a layer is a {type(site.linear).__name__}; dequantise (or fuse) the "
                "model first, since 4 bits lose most of an edit"
            )


def edited(write_sites: Sequence[Site], direction: Any, ridge: float) -> list[tuple[Any, str, Any]]:
    """Return the new weights as (linear, name, array), computed in float32, in the old dtype.

    Raises `BadInput` if a layer is quantised.
    """
    import mlx.core as mx

    check_unquantised(write_sites)
    weights = []
    for site in write_sites:
        p, q = projector(site, direction, ridge)
        for name in {"weight", "bias"} & site.linear.keys():
            old = site.linear[name].astype(mx.float32)
            rows = old if name == "weight" else old[:, None]
            # a sum and not a matrix product, which some GPUs round to 10 bits (TF32)
            change = p[:, None] * (q[:, None] * rows).sum(0, keepdims=True)
            value = (rows - change).reshape(old.shape).astype(site.linear[name].dtype)
            mx.eval(value)
            weights.append((site.linear, name, value))
    return weights


@contextmanager
def swapped(weights: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Within the context, give the model the ``weights`` that `edited` returned."""
    old = [(linear, name, linear[name]) for linear, name, _ in weights]
    put(weights)
    try:
        yield
    finally:
        put(old)


def put(weights: Sequence[tuple[Any, str, Any]]) -> None:
    """Replace the model's weights by ``weights``, permanently."""
    for linear, name, value in weights:
        linear[name] = value
