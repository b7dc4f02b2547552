"""Hooks and fixtures for benchmark tests, registered if the session evaluates.

A test uses the fixtures ``case`` and ``subject`` (parametrised by ``@cases``), ``judge`` and
``record``. The verdict is stored in the test's user properties as one JSON string, which pytest
transfers to the main process.
"""

import gc
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lek.errors import BadInput, StoreError, printable, suggestion
from lek.models.machine import share_cores
from lek.plugin.controller import (
    ABSENT,
    CASE,
    FATAL,
    LEFT_OUT,
    RECORDED,
    VERDICT,
    Controller,
    remove_verdict,
)
from lek.plugin.failures import Failures
from lek.plugin.selection import left_out, observe, visit
from lek.plugin.session import benchmarks_of, check_access, close, has_plan, plan_of
from lek.records import Case, Response, Verdict
from lek.runs.dry_run import dry_run
from lek.runs.plan import Plan


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cases(benchmark): parametrised by subject and case")
    for name, benchmark in benchmarks_of(config).items():
        config.addinivalue_line("markers", f"{name}: {', '.join(benchmark.measure_names)}")
        if benchmark.marker != name:
            config.addinivalue_line("markers", f"{benchmark.marker}: the {name} benchmark")
    config.pluginmanager.register(_session_fixtures(config), "lek-fixtures")
    if hasattr(config, "workerinput"):
        share_cores(config.workerinput["workercount"])
    elif not config.option.help:
        config.pluginmanager.register(Controller(config), "lek-controller")
        config.pluginmanager.register(Failures(), "lek-failures")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("cases")
    if marker is None:
        return
    plan, benchmark = plan_of(metafunc.config), marker.args[0]
    known = benchmarks_of(metafunc.config)
    if benchmark not in known:
        hint = suggestion(benchmark, known) or f"; expected one of {', '.join(known)}"
        raise pytest.UsageError(f"@cases({benchmark!r}): no such benchmark{hint}")
    for name in dict.fromkeys((benchmark, known[benchmark].marker)):
        _mark(metafunc.function, name)
    absent = plan.absent(benchmark)
    if absent is not None:
        # One skipped test per subject, so that -k selects them by the name of the subject.
        in_profile = benchmark in plan.loaded.benchmarks
        names = plan.loaded.profile.subject_names
        ids = [f"{name}-absent" for name in names] if in_profile else ["absent"]
        skip = pytest.mark.skip(reason=absent)
        skipped = [pytest.param(benchmark, None, marks=skip, id=i) for i in ids]
        metafunc.parametrize(("subject", "case"), skipped, indirect=["subject"])
        return
    metafunc.parametrize("subject", plan.subjects(benchmark), indirect=True, scope="session")
    cases = plan.cases[benchmark]
    metafunc.parametrize("case", cases, ids=[case.id for case in cases])


def _mark(test: Callable[..., object], name: str) -> None:
    """Add the marker ``name`` to ``test`` and so to all its items, unless it has it already."""
    if all(mark.name != name for mark in getattr(test, "pytestmark", ())):
        getattr(pytest.mark, name)(test)


def pytest_itemcollected(item: pytest.Item) -> None:
    marker = item.get_closest_marker("cases")
    if marker is None or not isinstance(item, pytest.Function):
        return
    absent = item.callspec.params.get("case") is None
    item.user_properties.append((ABSENT if absent else CASE, marker.args[0]))


@pytest.hookimpl(tryfirst=True)  # before a plugin or a conftest ignores the path
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> None:
    visit(config, collection_path)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before any item is deselected
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    if any(item.get_closest_marker("cases") for item in items):
        observe(config, list(items))
    return (yield)


class Subject:
    """A model variant, as passed to a test."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self._plan = plan

    def respond(self, case: Case) -> Response:
        """The subject's response to ``case``; without a text, ``reason`` says why.

        The first call for a benchmark builds the model if necessary and generates the responses to
        all selected cases. Bad input makes the test fail, and so does a time limit.
        """
        try:
            return self._plan.answers[case.benchmark, self.name].respond(case)
        except StoreError:
            raise  # ends the session, see `pytest_runtest_makereport`
        except BadInput as e:
            failure = str(e)
        except pytest.fail.Exception as e:
            failure = _stopped(self.name, e)
        # not in the handler: the error would keep a model in memory
        raise pytest.fail.Exception(failure, pytrace=False)


_STOPPED = pytest.StashKey[BaseException]()


def _stopped(subject: str, limit: BaseException) -> str:
    """The message of a test whose time limit, the exception ``limit``, ended the generation."""
    return (
        f"{subject}: {limit} Building the model and generating all selected answers count as part "
        "of the first test: raise the limit, or repeat the command to continue"
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    if not has_plan(session.config):
        return
    for item in session.items:
        if item.get_closest_marker("cases") and isinstance(item, pytest.Function):
            parameters: dict[str, Any] = item.callspec.params
            plan_of(session.config).select(parameters["subject"], parameters["case"])
    if not hasattr(session.config, "workerinput"):  # the controller has checked
        check_access(session.config, {b for b, _ in plan_of(session.config).selected})
    gc.freeze()  # exclude the collected items from later garbage collections


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    config = session.config
    if not config.option.lek_dry_run or session.testsfailed or config.option.collectonly:
        return None
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    for line in dry_run(plan_of(config)) if has_plan(config) else ["nothing to evaluate"]:
        reporter.write_line(printable(line))
    return True


@pytest.hookimpl(tryfirst=True)  # before the terminal reporter writes the file name
def pytest_runtest_protocol(item: pytest.Item) -> None:
    if has_plan(item.config):
        plan_of(item.config).judges.notices.show()
    for kind, _ in item.user_properties:
        if kind == CASE and not item.config.option.setuponly and isinstance(item, pytest.Function):
            parameters: dict[str, Any] = item.callspec.params
            case, subject = parameters["case"], parameters["subject"]
            try:
                plan_of(item.config).prepare(case, subject)
            except (KeyboardInterrupt, pytest.exit.Exception):
                raise
            except pytest.fail.Exception as e:  # a time limit such as that of pytest-timeout
                item.stash[_STOPPED] = pytest.fail.Exception(_stopped(subject, e), pytrace=False)
            except BaseException as e:
                item.stash[_STOPPED] = e


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    stopped = item.stash.get(_STOPPED, None)
    if stopped is not None:
        del item.stash[_STOPPED]  # a test may be rerun
        raise stopped


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, StoreError):
        report.longrepr = str(call.excinfo.value)
        report.user_properties.append((FATAL, report.longrepr))
    return report


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The model variant under test; pytest groups tests by it, so that one is loaded at a time."""
    plan = plan_of(request.config)
    yield Subject(request.param, plan)
    plan.responses.unload(request.param)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[LEFT_OUT] = [
            [*pair, reason] for pair, reason in left_out(session.config).items()
        ]
    if has_plan(session.config):
        stopped_early = session.shouldfail or session.shouldstop
        if getattr(session.config, "workerinput", {}).get("lek_spread") and not stopped_early:
            plan_of(session.config).judges.drain()
        plan_of(session.config).close()
        plan_of(session.config).judges.notices.show()


def pytest_unconfigure(config: pytest.Config) -> None:
    close(config)


def _session_fixtures(config: pytest.Config) -> ModuleType:
    """A plugin with the fixtures ``judge`` and ``record`` of the session.

    They have session scope, and need no ``request``, to avoid setup work for every test.
    """
    properties: list[tuple[str, object]] = []
    parameters: dict[str, Any] = {}  # of the test that runs

    @pytest.fixture(scope="session")
    def judge() -> Callable[[Case, Response], Verdict]:
        """``judge(case, response)`` returns the verdict of the judges that the profile names."""
        return plan_of(config).judge

    @pytest.fixture(scope="session")
    def record() -> Callable[[Verdict], None]:
        """``record(verdict)`` records the verdict; call it once per test, whatever the scores."""
        return record_verdict

    def record_verdict(verdict: Verdict) -> None:
        if not isinstance(verdict, Verdict):
            raise TypeError(f"record() takes a Verdict, not {type(verdict).__name__}")
        if any(name == VERDICT for name, _ in properties):
            raise ValueError("record() was called twice in one test")
        plan_of(config).check(verdict)
        if "case" in parameters:
            case, subject = parameters["case"], parameters["subject"]
            if (verdict.case, verdict.response.case) != (case, case.id):
                raise ValueError(f"record() got a verdict on another case than {case.id}")
            if verdict.response.subject != subject:
                raise ValueError(
                    f"record() got a verdict on {verdict.response.subject}, but the test is of "
                    f"{subject}"
                )
        line = verdict.to_json()
        config.stash[RECORDED] = line, verdict
        properties.append((VERDICT, line))

    def pytest_runtest_setup(item: pytest.Item) -> None:
        nonlocal properties, parameters
        properties = item.user_properties
        parameters = {}
        if item.get_closest_marker("cases") and isinstance(item, pytest.Function):
            parameters = item.callspec.params
        remove_verdict(properties)  # a test may be rerun

    def pytest_runtest_logfinish() -> None:
        remove_verdict(properties)  # reported, so no longer needed

    def pytest_keyboard_interrupt() -> None:
        if has_plan(config) and not hasattr(config, "workerinput"):
            plan_of(config).interrupted()

    plugin = ModuleType("lek_session_fixtures")
    hooks = (pytest_runtest_setup, pytest_runtest_logfinish, pytest_keyboard_interrupt)
    vars(plugin).update(judge=judge, record=record, **{hook.__name__: hook for hook in hooks})
    return plugin
