"""Register the plugin if the package, which has an entry point for it, is not installed."""

from importlib.metadata import distributions

_INSTALLED = any(
    entry.group == "pytest11" and entry.value == "lek.plugin"
    for distribution in distributions()
    for entry in distribution.entry_points
)
pytest_plugins = [] if _INSTALLED else ["lek.plugin"]
