"""The pytest plugin: command-line options, and registration of the evaluation hooks.

The plugin is loaded in every pytest session where the package is installed. Therefore this module
imports little and registers the hooks only if a profile is set (``lek_profile`` in the ini file)
or an option of the harness is given. Public: `cases`.
"""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

_inactive_config: pytest.Config | None = None  # of a session without profile and options
NO_PROFILE = "no profile; give --lek-profile NAME or set lek_profile in pytest.ini"


def cases(benchmark: str) -> Callable[[Any], Any]:
    """Run the decorated test for every subject and case of ``benchmark``.

    The test also gets the markers of the benchmark: its name and its ``marker``. Without a profile
    the session ends with a usage error.
    """
    config = _inactive_config
    if config is not None:
        if hasattr(config, "workerinput"):  # a usage error in a worker would crash xdist
            raise pytest.Collector.CollectError(f"@cases({benchmark!r}): {NO_PROFILE}")
        if not config.pluginmanager.has_plugin(_NoProfile.__name__):
            config.pluginmanager.register(_NoProfile(benchmark), _NoProfile.__name__)
        return lambda test: test
    return pytest.mark.cases(benchmark)


class _NoProfile:
    """Ends the session after collection, because a test uses `cases` without a profile."""

    def __init__(self, benchmark: str) -> None:
        self._benchmark = benchmark

    def pytest_collection_modifyitems(self) -> None:
        raise pytest.UsageError(f"@cases({self._benchmark!r}): {NO_PROFILE}")


def is_active(config: pytest.Config) -> bool:
    """Whether a profile or an option of the harness is set."""
    return bool(config.getini("lek_profile")) or has_option(config)


def has_option(config: pytest.Config) -> bool:
    """Whether an option of the harness is set on the command line."""
    options = (value for name, value in vars(config.option).items() if name.startswith("lek_"))
    return any(value not in (None, False) for value in options)


@pytest.hookimpl(wrapper=True)  # runs before xdist's hook, which chooses the distribution
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    if is_active(config):
        _distribute(config.option)
    return (yield)


def _distribute(option: Any) -> None:
    """Keep the tests of a subject on one xdist worker, unless the user chose a distribution."""
    if option.lek_dry_run and getattr(option, "numprocesses", None):
        option.numprocesses, option.dist = None, "no"  # no test runs
    if getattr(option, "numprocesses", None) and option.dist == "no" and not option.distload:
        option.dist = "loadgroup"
    if getattr(option, "dist", None) == "loadgroup":
        # Replacing a worker hangs loadgroup in xdist 3.8 (xdist issues 1323 and 1327).
        # Delete this when pyproject.toml requires a release with the fixes.
        option.maxworkerrestart = "0"


def pytest_configure(config: pytest.Config) -> None:
    global _inactive_config
    _inactive_config = None if is_active(config) else config
    if _inactive_config is None:
        from lek.plugin import hooks

        config.pluginmanager.register(hooks, "lek-hooks")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lek", "LEM evaluation")
    group.addoption(
        "--lek-profile", metavar="NAME", help="profile: evals/profiles/NAME.toml or path"
    )
    group.addoption("--lek-data", metavar="DIR", type=Path, help="directory of the profile's data")
    group.addoption(
        "--lek-judge",
        metavar="KIND",
        help="judge for all benchmarks that are not judged by 'exact'",
    )
    group.addoption(
        "--lek-model",
        metavar="SUBJECT=PATH",
        action="append",
        help="another model (a directory, a GGUF file or a name on the hub) as this subject",
    )
    group.addoption(
        "--lek-max-judge-calls", metavar="N", type=int, help="stop judging after N requests"
    )
    group.addoption(
        "--lek-dry-run",
        action="store_true",
        help="generate and judge nothing; show what is missing and its estimated cost",
    )
    group.addoption(
        "--lek-limit", metavar="N", type=int, help="use the first N cases of each benchmark"
    )
    group.addoption("--lek-out", metavar="DIR", type=Path, help="directory to write the run to")
    group.addoption(
        "--lek-fresh",
        action="store_true",
        help="generate and judge all answers again; stored ones are kept but not used",
    )
    group.addoption(
        "--lek-no-gates",
        action="store_true",
        help="show the gates, but let only the tests decide the exit code",
    )
    parser.addini("lek_profile", "profile to use without --lek-profile")
