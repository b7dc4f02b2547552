"""HTML templates, rendered by Jinja with all values escaped."""

from functools import cache
from pathlib import Path
from typing import Any


def render(template: Path, **values: Any) -> str:
    """Render ``template`` with ``values``; raises `jinja2.UndefinedError` for a missing one."""
    return str(_compiled(template).render(**values))


@cache
def _compiled(template: Path) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text(encoding="utf-8"))
