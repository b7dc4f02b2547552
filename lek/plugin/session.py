"""The profile, plan and workspace of a pytest session; bad input becomes a usage error."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from lek.benchmarks.benchmark import Benchmark, shipped
from lek.errors import BadInput
from lek.plugin import NO_PROFILE, has_option
from lek.profile import loading
from lek.runs.plan import Plan, make_plan
from lek.workspace.progress import Progress
from lek.workspace.workspace import Workspace, new_session

_PLAN = pytest.StashKey[Plan]()
_LOADED = pytest.StashKey[loading.LoadedProfile]()
_SESSION = pytest.StashKey[str]()


def has_plan(config: pytest.Config) -> bool:
    """Whether the session's plan has been created."""
    return _PLAN in config.stash


def loaded_of(config: pytest.Config) -> loading.LoadedProfile:
    """The session's profile, read once. Raises `BadInput` if it is missing or invalid."""
    if _LOADED not in config.stash:
        config.stash[_LOADED] = _load(config)
    return config.stash[_LOADED]


def benchmarks_of(config: pytest.Config) -> Mapping[str, Benchmark]:
    """The shipped benchmarks, and those of the profile if it is valid."""
    try:
        return shipped() | loaded_of(config).benchmarks
    except BadInput:  # `plan_of` reports it
        return shipped()


def plan_of(config: pytest.Config) -> Plan:
    """The session's plan, created on first use. Raises `pytest.UsageError` for bad input."""
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
    for replacement in option.lek_model or ():
        where = f"--lek-model {replacement}"
        loaded = loading.with_model(loaded, replacement, config.invocation_params.dir, where)
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
    """The workspace of the session, whose progress is shown despite pytest's output capturing."""
    manager, uncaptured = config.pluginmanager, False

    @contextmanager
    def without_capture() -> Iterator[None]:
        nonlocal uncaptured
        if uncaptured:  # nested call
            yield
            return
        capture, reporter = map(manager.get_plugin, ("capturemanager", "terminalreporter"))
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if reporter:
                reporter.ensure_newline()
                if reporter._tw.width_of_current_line:  # with -q, ensure_newline does nothing
                    reporter._tw.line()
            uncaptured = True
            try:
                yield
            finally:
                uncaptured = False

    worker = getattr(config, "workerinput", {})
    workers = len(getattr(config.option, "tx", None) or ())
    plain = bool(getattr(config.option, "numprocesses", None)) or hasattr(config, "workerinput")
    progress = Progress(plain=plain, shown=without_capture)
    return Workspace(
        config.invocation_params.dir / ".lek",
        progress,
        fresh=config.option.lek_fresh,
        share=int(worker.get("workercount") or workers or 1),
        session=session_of(config),
        calls=config.option.lek_max_judge_calls,
        dry=idle(config),
    )


def close(config: pytest.Config) -> None:
    """Close the workspace, if the session's plan has been created."""
    if has_plan(config):
        plan_of(config).workspace.close()


def session_of(config: pytest.Config) -> str:
    """The identifier of the session, the same in all xdist workers."""
    given = getattr(config, "workerinput", {}).get("lek_session")
    return config.stash.setdefault(_SESSION, given or new_session())


def idle(config: pytest.Config) -> bool:
    """Whether no case will run: tests or fixtures are only listed or set up, or it is a dry run."""
    option = config.option
    listed = option.collectonly or option.showfixtures or option.show_fixtures_per_test
    # pytest derives setuponly from setupplan, but only after plugins are configured
    return bool(listed or option.setuponly or option.setupplan or option.lek_dry_run)


def check_access(config: pytest.Config, benchmarks: Collection[str]) -> None:
    """Raise `pytest.UsageError` if a judge or a subject of ``benchmarks`` cannot be used.

    A judge or a served subject may lack its key or its client library, or refuse a first small
    request, which is sent only if votes or answers are missing. A model that is to be downloaded
    may not be given, or be unsuitable.
    """
    if not idle(config):
        plan = plan_of(config)
        try:
            plan.judges.check(benchmarks)
            plan.responses.check_downloads(plan.asked(benchmarks))
            plan.responses.probe(plan.unanswered(benchmarks))
            plan.judges.probe(plan.stored_responses(benchmarks))
        except BadInput as e:
            raise pytest.UsageError(str(e)) from e


def evals_are_named(config: pytest.Config) -> bool:
    """Whether ``evals`` may be collected, so that bad input is reported before collection."""
    evals = config.rootpath / "evals"
    paths = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    return has_option(config) or any(
        p == evals or evals in p.parents or p in evals.parents for p in paths
    )


def shown(path: Path) -> Path:
    """``path`` relative to the current directory."""
    return Path(os.path.relpath(path))
