"""Corrections of architectures of mlx_lm whose output differs from that of the original model.

Each applies to a loaded model, without a change of its weights:

- Gemma 2 with fewer heads for keys than for queries: the mask of a padded batch has one dimension
  too few, which is an error, or masks the wrong rows if the batch has as many rows as the model has
  heads for keys (mlx-lm, pull request 1903).
- Models some of whose layers use the keys and values of earlier layers (Gemma 3n): called without a
  cache, such a layer computes keys and values of its own, from weights that are not trained for it.
  LoRA and abliteration would work on another model than the one that answers. These models get an
  empty cache whenever they are called without one.
"""

from functools import cache
from typing import Any


def correct(model: Any) -> None:
    """Apply to ``model``, in place, the corrections that its architecture needs."""
    from mlx_lm.models import gemma2
    from mlx_lm.models.cache import make_prompt_cache

    for block in model.layers:
        attention = getattr(block, "self_attn", None)
        if type(attention) is gemma2.Attention:
            object.__setattr__(attention, "__class__", _with_mask_per_group())
    if len(make_prompt_cache(model)) < len(model.layers):
        object.__setattr__(model, "__class__", _with_cache(type(model)))


@cache
def _with_mask_per_group() -> type:
    """Gemma 2's attention, whose mask is broadcast over the queries that share a key."""
    from mlx_lm.models import gemma2

    class Attention(gemma2.Attention):  # type: ignore[misc]
        def __call__(self, x: Any, mask: Any = None, cache: Any = None) -> Any:
            if self.repeats > 1 and getattr(mask, "ndim", 0) == 4:
                mask = mask[:, :, None]  # (batch, 1, 1, queries, keys)
            return super().__call__(x, mask, cache)

    return Attention


def _with_cache(original: type[Any]) -> type:
    """The class of a model that is given an empty cache where it is called without one."""
    from mlx_lm.models.cache import make_prompt_cache

    def call(self: Any, inputs: Any, cache: Any = None, **options: Any) -> Any:
        cache = make_prompt_cache(self) if cache is None else cache
        return original.__call__(self, inputs, cache=cache, **options)

    return type(original.__name__, (original,), {"__call__": call})
