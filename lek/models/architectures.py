"""The architectures that mlx_lm has, and what distinguishes them.

Read from the text of mlx_lm's modules, because importing them takes a second.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """An architecture of mlx_lm.

    ``kind``: its ``model_type``. ``code``: the text of the modules that define it.
    """

    kind: str
    code: str

    def why_not_abliterated(self, config: Mapping[str, Any]) -> str | None:
        """Why a model with ``config`` cannot be abliterated, as far as the architecture shows."""
        if "ArraysCache" in self.code:
            return "is recurrent or hybrid"
        if "switch_layers" in self.code and _experts(config) > 1:
            return "is a mixture of experts"
        if "o_proj" not in self.code or "down_proj" not in self.code:
            return "has blocks without self_attn.o_proj and mlp.down_proj"
        return None


@cache
def architecture(kind: str) -> Architecture | None:
    """Return the architecture with the ``model_type`` ``kind``; ``None`` if mlx_lm has none."""
    package = _package()
    if package is None:
        return Architecture(kind, "self_attn.o_proj mlp.down_proj")  # reported on loading
    text = (package / "utils.py").read_text(encoding="utf-8")
    other_name = re.search(rf'"{re.escape(kind)}": "(\w+)"', text)
    name = other_name[1] if other_name else kind
    code = "\n".join(_code(package / "models", name, set()))
    return Architecture(kind, code) if code else None


def _package() -> Path | None:
    """The directory of mlx_lm; ``None`` if it is not installed."""
    spec = find_spec("mlx_lm")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


_SHARED = {"base", "cache"}  # modules with parts for all architectures
_IMPORT = re.compile(r"^from \.(\w*) import ([\w, ]+)", re.MULTILINE)


def _code(models: Path, name: str, seen: set[str]) -> Iterator[str]:
    """The text of the module ``name`` and of the other architectures that it imports."""
    file = models / f"{name}.py"
    if name in seen | _SHARED or not file.is_file():
        return
    seen.add(name)
    text = file.read_text(encoding="utf-8")
    yield text
    for module, names in _IMPORT.findall(text):
        for imported in [module] if module else names.replace(" ", "").split(","):
            yield from _code(models, imported, seen)


def _experts(config: Mapping[str, Any]) -> int:
    """The largest number of experts that ``config`` gives, also for a model's part for text."""
    values = {**config, **(config.get("text_config") or {})}
    counts = (v for k, v in values.items() if "expert" in k and type(v) is int)
    return max(counts, default=0)
