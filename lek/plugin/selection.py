"""The part of a profile's plan that a pytest command leaves out.

A gate does not count if ``-k``, ``-m`` or the given paths leave out all cases of a subject or
benchmark that it names. Cases that are missing for another reason (``--deselect``, ``--lf``, a
conftest, a skipped module) are not left out: the gate is unmeasured.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lek.plugin.session import plan_of

Pair = tuple[str, str]  # benchmark, subject
_MENTION = re.compile(rb"""\bcases\(\s*(?:benchmark\s*=\s*)?["'](\w+)["']""")
_VISITED = pytest.StashKey[set[Path]]()
_LEFT_OUT = pytest.StashKey[dict[Pair, str]]()


def visit(config: pytest.Config, path: Path) -> None:
    """Remember a file that pytest considers for collection, whether or not it is collected."""
    if path.suffix == ".py":
        config.stash.setdefault(_VISITED, set()).add(path)


def left_out(config: pytest.Config) -> dict[Pair, str]:
    """The pairs that the command left out, with the reason; empty before `observe`."""
    return config.stash.get(_LEFT_OUT, {})


def observe(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Find the pairs that the command leaves out.

    ``items``: all that were collected, before any was deselected.
    """
    collected: dict[Pair, set[pytest.Item]] = defaultdict(set)
    for item in items:
        marker = item.get_closest_marker("cases")
        if marker is not None and isinstance(item, pytest.Function):
            subject = str(item.callspec.params["subject"])
            collected[str(marker.args[0]), subject].add(item)
    paths, option = _Paths(config), config.option
    by_keyword = set(_matching(config, items, keyword=option.keyword))
    by_marker = set(_matching(config, items, markexpr=option.markexpr))
    profile = plan_of(config).loaded.profile
    reasons: dict[Pair, str] = {}
    for benchmark in plan_of(config).loaded.benchmarks:
        pairs = [(benchmark, name) for name in profile.subject_names]
        is_collected = any(pair in collected for pair in pairs)
        causes = {}
        for pair in pairs:
            if pair in collected:
                if not collected[pair] & by_keyword:
                    causes[pair] = "-k"
                elif not collected[pair] & by_marker:
                    causes[pair] = "-m"
                elif not collected[pair] & by_keyword & by_marker:
                    causes[pair] = "-k with -m"
            elif paths.leave_out(benchmark, is_collected=is_collected):
                causes[pair] = "the given paths"
        whole = len(causes) == len(pairs) and len(set(causes.values())) == 1
        for pair, cause in causes.items():
            of = benchmark if whole else f"{pair[1]} on {benchmark}"
            reasons[pair] = f"{cause} left out all cases of {of}"
    config.stash[_LEFT_OUT] = reasons


def _matching(
    config: pytest.Config,
    items: Iterable[pytest.Item],
    *,
    keyword: str = "",
    markexpr: str = "",
) -> list[pytest.Item]:
    """The ``items`` that the given expressions select, by pytest's own plugin."""

    class Quiet:
        """The configuration with these expressions, and without reports of deselected items."""

        hook = SimpleNamespace(pytest_deselected=lambda items: None)
        option = SimpleNamespace(keyword=keyword, markexpr=markexpr)

        def __getattr__(self, name: str) -> Any:
            return getattr(config, name)

    selected = list(items)
    mark: Any = config.pluginmanager.get_plugin("mark")
    mark.pytest_collection_modifyitems(items=selected, config=Quiet())
    return selected


class _Paths:
    """The paths of a pytest command, and the benchmarks that the files below them mention."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        arguments = [argument.partition("[") for argument in config.args]
        split = [(path.partition("::"), bracket) for path, bracket, _ in arguments]
        whole = [self._resolve(path) for (path, names, _), _ in split if not names]
        # an argument such as test_gsm8k.py::test_gsm8k names all cases of a test
        self._names_tests = any(names and not bracket for (_, names, _), bracket in split)
        visited = config.stash.get(_VISITED, set()) | {p for p in whole if p.is_file()}
        below = {f for f in visited if any(p == f or p in f.parents for p in whole)}
        self._below = self._mentioned(below)
        self._visited = self._mentioned(visited - below)

    def leave_out(self, benchmark: str, *, is_collected: bool) -> bool:
        """Whether the paths are why no case of a subject on ``benchmark`` was collected.

        ``is_collected``: whether cases of other subjects were. Another reason is assumed if a file
        below the paths has a test of the benchmark, or if no file has one.
        """
        if benchmark in self._below or (is_collected and self._names_tests):
            return False
        return is_collected or benchmark in self._visited or benchmark in self._elsewhere()

    def _elsewhere(self) -> set[str]:
        """The benchmarks that test files of the project mention."""
        root = self._config.rootpath
        folders = [root / "evals", *(root / path for path in self._config.getini("testpaths"))]
        return self._mentioned(file for folder in folders for file in folder.rglob("*.py"))

    def _mentioned(self, files: Iterable[Path]) -> set[str]:
        return {name for file in files if self._is_test(file) for name in _benchmarks(file)}

    def _is_test(self, file: Path) -> bool:
        return any(fnmatch(file.name, pattern) for pattern in self._config.getini("python_files"))

    def _resolve(self, argument: str) -> Path:
        """The absolute path of an argument, which may be a package with ``--pyargs``."""
        path = self._config.invocation_params.dir / argument
        if self._config.option.pyargs and not path.exists():
            spec = find_spec(argument)
            if spec is not None and spec.submodule_search_locations:
                return Path(next(iter(spec.submodule_search_locations)))
            if spec is not None and spec.origin is not None:
                return Path(spec.origin)
        return Path(os.path.abspath(path))  # noqa: PTH100  # pytest does not resolve links either


def _benchmarks(file: Path) -> Iterator[str]:
    """The benchmarks that ``file`` names in calls of `lek.cases`."""
    try:
        text = file.read_bytes()
    except OSError:
        return
    for match in _MENTION.finditer(text):
        yield match[1].decode()
