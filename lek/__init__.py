"""LEM's evaluation harness: is a fine-tuned model more truthful, safer and more nuanced?

Tests and scripts import from here: `cases`, the decorator of a benchmark's test; the records
`Case`, `Response` and `Verdict`; and `load_run`, which reads a finished `Run`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lek.plugin import cases
    from lek.records import Case, Response, Verdict
    from lek.runs.run import Run, load_run

__version__ = "0.1.0"
__all__ = ["Case", "Response", "Run", "Verdict", "cases", "load_run"]

_HOME = {
    "cases": "lek.plugin",
    "Case": "lek.records",
    "Response": "lek.records",
    "Verdict": "lek.records",
    "Run": "lek.runs.run",
    "load_run": "lek.runs.run",
}


def __getattr__(name: str) -> Any:
    """The public name ``name``, imported on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
