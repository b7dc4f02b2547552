"""The pytest plugin: options, and what a session needs that evaluates.

It is loaded in every pytest session where the package is installed, so this module is light, and
everything but the options is registered only where a profile is set (``lek_profile`` in the ini
file) or an option of the harness is given. Public: `cases`.
"""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

_idle: pytest.Config | None = None  # the session's configuration, where it evaluates nothing
NO_PROFILE = "no profile; give --lek-profile NAME or set lek_profile in pytest.ini"


def cases(benchmark: str) -> Callable[[Any], Any]:
    """Run the decorated test for every subject and case of ``benchmark``.

    It also gets the markers of the benchmark: its name, and the one that it names. Without a
    profile the session ends with a usage error.
    """
    if _idle is not None:
        if hasattr(_idle, "workerinput"):  # a usage error of a worker would crash xdist
            raise pytest.Collector.CollectError(f"@cases({benchmark!r}): {NO_PROFILE}")
        if not _idle.pluginmanager.has_plugin(_NoProfile.__name__):
            _idle.pluginmanager.register(_NoProfile(benchmark), _NoProfile.__name__)
        return lambda test: test
    return pytest.mark.cases(benchmark)


class _NoProfile:
    """Ends the session after collection, since a test wants cases and there is no profile."""

    def __init__(self, benchmark: str) -> None:
        self._benchmark = benchmark

    def pytest_collection_modifyitems(self) -> None:
        raise pytest.UsageError(f"@cases({self._benchmark!r}): {NO_PROFILE}")


def is_active(config: pytest.Config) -> bool:
    """Whether the session may evaluate: a profile or an option of the harness is set."""
    options = (value for name, value in vars(config.option).items() if name.startswith("lek_"))
    return bool(config.getini("lek_profile")) or any(v not in (None, False) for v in options)


@pytest.hookimpl(wrapper=True)  # around xdist's own, which chooses how to distribute
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    if is_active(config):
        _distribute(config.option)
    return (yield)


def _distribute(option: Any) -> None:
    """Keep a subject's tests on one xdist worker, unless the user wants it otherwise."""
    if option.lek_dry_run and getattr(option, "numprocesses", None):
        option.numprocesses, option.dist = None, "no"  # workers would have nothing to do
    if getattr(option, "numprocesses", None) and option.dist == "no" and not option.distload:
        option.dist = "loadgroup"
    if getattr(option, "dist", None) == "loadgroup":
        # A replaced worker hangs xdist 3.8's loadgroup (its issues 1323, 1327): replace none.
        # Delete this when a release with their fixes is the oldest that pyproject.toml allows.
        option.maxworkerrestart = "0"


def pytest_configure(config: pytest.Config) -> None:
    global _idle
    _idle = None if is_active(config) else config
    if _idle is None:
        from lek.plugin import hooks

        config.pluginmanager.register(hooks, "lek-hooks")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lek", "LEM evaluation")
    group.addoption(
        "--lek-profile", metavar="NAME", help="profile: evals/profiles/NAME.toml or path"
    )
    group.addoption("--lek-data", metavar="DIR", type=Path, help="where the profile's data lie")
    group.addoption(
        "--lek-judge", metavar="KIND", help="the judge of every benchmark that is not exact"
    )
    group.addoption(
        "--lek-max-judge-calls", metavar="N", type=int, help="stop judging after N requests"
    )
    group.addoption(
        "--lek-dry-run",
        action="store_true",
        help="generate and judge nothing; say what is missing, and what it would cost",
    )
    group.addoption("--lek-limit", metavar="N", type=int, help="the first N cases per benchmark")
    group.addoption("--lek-out", metavar="DIR", type=Path, help="where the run is written")
    group.addoption(
        "--lek-fresh",
        action="store_true",
        help="generate and judge every answer anew; what is stored is kept, but not used",
    )
    group.addoption(
        "--lek-no-gates",
        action="store_true",
        help="rule the gates and show them, but leave the exit code to the tests",
    )
    parser.addini("lek_profile", "the profile that is used without --lek-profile")
