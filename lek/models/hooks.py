"""Hooks around the calls of a model's modules."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Hook = Callable[..., Any]  # called with the module's own call and its arguments; returns the output


@contextmanager
def with_forward_hooks(hooks: Sequence[tuple[Any, Hook]]) -> Iterator[None]:
    """Within the context, call each module of ``hooks`` through the hook that is paired with it.

    The hook belongs to the module object, whatever refers to it: the class of the object is
    replaced by a subclass. If contexts are nested, the hook of the inner one calls that of the
    outer one in place of the module.
    """
    originals: list[tuple[Any, type]] = []
    try:
        for module, hook in reversed(hooks):
            original = type(module)
            originals.append((module, original))
            object.__setattr__(module, "__class__", _hooked_class(original, hook))
        yield
    finally:
        for module, original in reversed(originals):
            object.__setattr__(module, "__class__", original)


def _hooked_class(original: type, hook: Hook) -> type:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return hook(functools.partial(original.__call__, self), *args, **kwargs)

    return type(original.__name__, (original,), {"__call__": call})
