"""A pytest configuration -> the session's plan, made once; what is wrong is a usage error."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from lek.benchmarks.benchmark import Benchmark, shipped
from lek.errors import BadInput
from lek.plugin import NO_PROFILE
from lek.profile import loading
from lek.runs.plan import Plan, make_plan
from lek.workspace.progress import Progress
from lek.workspace.workspace import Workspace

_PLAN = pytest.StashKey[Plan]()
_LOADED = pytest.StashKey[loading.LoadedProfile]()
_STARTED = pytest.StashKey[float]()


def has_plan(config: pytest.Config) -> bool:
    """Whether anything in the session asked for the plan."""
    return _PLAN in config.stash


def loaded_of(config: pytest.Config) -> loading.LoadedProfile:
    """The session's profile, read once; `BadInput` where there is none, or a bad one."""
    if _LOADED not in config.stash:
        config.stash[_LOADED] = _load(config)
    return config.stash[_LOADED]


def benchmarks_of(config: pytest.Config) -> Mapping[str, Benchmark]:
    """The benchmarks that ship, and those of the profile, if it can be read."""
    try:
        return shipped() | loaded_of(config).benchmarks
    except BadInput:  # a usage error where the plan is asked for
        return shipped()


def plan_of(config: pytest.Config) -> Plan:
    """The session's plan, made on first use; what is wrong with the input is a usage error."""
    if _PLAN not in config.stash:
        try:
            config.stash[_PLAN] = _make_plan(config)
        except BadInput as e:
            raise pytest.UsageError(str(e)) from e
    return config.stash[_PLAN]


def _load(config: pytest.Config) -> loading.LoadedProfile:
    option, ini = config.option, config.getini("lek_profile")
    name = ini if option.lek_profile is None else option.lek_profile
    if option.lek_profile is None and not ini:
        raise BadInput(NO_PROFILE)
    loaded = loading.load(loading.find(name, shown(config.rootpath / "evals" / "profiles")))
    if option.lek_judge is not None:
        loaded = loading.with_judge(loaded, option.lek_judge, f"--lek-judge {option.lek_judge}")
    return loaded


def _make_plan(config: pytest.Config) -> Plan:
    option = config.option
    if option.lek_limit is not None and option.lek_limit < 1:
        raise BadInput(f"--lek-limit {option.lek_limit}: must be 1 or more")
    if option.lek_max_judge_calls is not None and option.lek_max_judge_calls < 0:
        raise BadInput(f"--lek-max-judge-calls {option.lek_max_judge_calls}: must be 0 or more")
    return make_plan(
        loaded_of(config),
        data=option.lek_data,
        limit=option.lek_limit,
        workspace=_workspace(config),
    )


def _workspace(config: pytest.Config) -> Workspace:
    """Where models and answers are kept, and how work on them is shown past pytest's capture."""
    manager, open_ = config.pluginmanager, False

    @contextmanager
    def shown() -> Iterator[None]:
        nonlocal open_
        if open_:  # by who called the one who shows something
            yield
            return
        capture, reporter = map(manager.get_plugin, ("capturemanager", "terminalreporter"))
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if reporter:
                reporter.ensure_newline()
                if reporter._tw.width_of_current_line:  # with -q there is no file's name before
                    reporter._tw.line()
            open_ = True
            try:
                yield
            finally:
                open_ = False

    worker = getattr(config, "workerinput", {})
    workers = len(getattr(config.option, "tx", None) or ())
    plain = bool(getattr(config.option, "numprocesses", None)) or hasattr(config, "workerinput")
    since = started(config) if config.option.lek_fresh else 0.0
    progress = Progress(plain=plain, shown=shown)
    return Workspace(
        config.invocation_params.dir / ".lek",
        progress,
        since,
        share=int(worker.get("workercount") or workers or 1),
        session=started(config),
        calls=config.option.lek_max_judge_calls,
        dry=config.option.lek_dry_run,
    )


def close(config: pytest.Config) -> None:
    """Close what the session's plan opened."""
    if has_plan(config):
        plan_of(config).workspace.close()


def started(config: pytest.Config) -> float:
    """When the session began, in seconds of the epoch: the same in xdist's workers."""
    told = getattr(config, "workerinput", {}).get("lek_started")
    return config.stash.setdefault(_STARTED, told or time.time())


def idle(config: pytest.Config) -> bool:
    """Whether no case will be run: tests or fixtures are listed, or it is a dry run."""
    option = config.option
    listed = option.collectonly or option.showfixtures or option.show_fixtures_per_test
    return bool(listed or option.lek_dry_run)


def check_judges(config: pytest.Config, benchmarks: Iterable[str]) -> None:
    """A judge of ``benchmarks`` that lacks its key or its library is a usage error."""
    if not idle(config):
        try:
            plan_of(config).judges.check(benchmarks)
        except BadInput as e:
            raise pytest.UsageError(str(e)) from e


def evals_are_named(config: pytest.Config) -> bool:
    """Whether the command line can reach ``evals``, so that faults must be told before all else."""
    evals = config.rootpath / "evals"
    named = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    asked = any(
        v not in (None, False) for k, v in vars(config.option).items() if k.startswith("lek_")
    )
    return asked or any(p == evals or evals in p.parents or p in evals.parents for p in named)


def shown(path: Path) -> Path:
    """``path`` from the current directory, as people write it."""
    return Path(os.path.relpath(path))
