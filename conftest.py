"""Registers the harness where the package is not installed, which would register itself."""

from importlib.metadata import distributions

_INSTALLED = any(
    entry.group == "pytest11" and entry.value == "lek.plugin"
    for distribution in distributions()
    for entry in distribution.entry_points
)
pytest_plugins = [] if _INSTALLED else ["lek.plugin"]
