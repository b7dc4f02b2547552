"""HTML templates, rendered by Jinja with all values escaped.

Control and invisible characters, which could change the text around them, become visible escapes.
"""

from functools import cache
from pathlib import Path
from typing import Any

from lek.errors import printable


def render(template: Path, **values: Any) -> str:
    """Render ``template`` with ``values``; raises `jinja2.UndefinedError` for a missing one."""
    return str(_compiled(template).render(**values))


@cache
def _compiled(template: Path) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(template.read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """``value``, if it is a text, with escapes for what is not seen, apart from line breaks."""
    if type(value) is not str:  # also Markup, which is HTML of a template
        return value
    return "\n".join(map(printable, value.split("\n")))
