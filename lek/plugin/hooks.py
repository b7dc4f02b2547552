"""Hooks and fixtures of a session that evaluates: what a benchmark's test sees of the harness.

A test asks for ``case`` and ``subject`` (parametrised by ``@cases``), has the ``judge`` rule, and
``record``s the verdict as one JSON string, which pytest carries to wherever the controller is.
"""

import gc
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from lek.errors import BadInput, suggestion
from lek.plugin.controller import ABSENT, CASE, VERDICT, Controller
from lek.plugin.session import benchmarks_of, check_judges, close, has_plan, plan_of
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
    if not hasattr(config, "workerinput") and not config.option.help:
        config.pluginmanager.register(Controller(config), "lek-controller")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("cases")
    if marker is None:
        return
    plan, benchmark = plan_of(metafunc.config), marker.args[0]
    known = benchmarks_of(metafunc.config)
    if benchmark not in known:
        hint = suggestion(benchmark, known) or f"; known are {', '.join(known)}"
        raise pytest.UsageError(f"@cases({benchmark!r}): no such benchmark{hint}")
    for name in dict.fromkeys((benchmark, known[benchmark].marker)):
        _mark(metafunc.function, name)
    absent = plan.absent(benchmark)
    if absent is not None:
        # One for each subject that would have been asked, so that -k selects it as it would them.
        wanted = benchmark in plan.loaded.benchmarks
        ids = [f"{s}-absent" for s in plan.loaded.profile.subject_names] if wanted else ["absent"]
        skip = pytest.mark.skip(reason=absent)
        skipped = [pytest.param(benchmark, None, marks=skip, id=i) for i in ids]
        metafunc.parametrize(("subject", "case"), skipped, indirect=["subject"])
        return
    metafunc.parametrize("subject", plan.subjects(benchmark), indirect=True, scope="session")
    chosen = plan.cases[benchmark]
    metafunc.parametrize("case", chosen, ids=[c.id for c in chosen])


def _mark(test: Callable[..., object], name: str) -> None:
    """Give ``test`` the marker ``name``, which all of its items get, unless it has it already."""
    if all(mark.name != name for mark in getattr(test, "pytestmark", ())):
        getattr(pytest.mark, name)(test)


def pytest_itemcollected(item: pytest.Item) -> None:
    marker = item.get_closest_marker("cases")
    if marker is None or not isinstance(item, pytest.Function):
        return
    absent = item.callspec.params.get("case") is None
    item.user_properties.append((ABSENT if absent else CASE, marker.args[0]))


class Subject:
    """A model variant as a test sees it."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self._plan = plan

    def respond(self, case: Case) -> Response:
        """What the subject says to ``case``; its text is ``None`` with a reason if it has none.

        The first call for a benchmark builds the model, where it is to be asked and not there yet,
        and has it answer all cases that the session selected.
        """
        try:
            return self._plan.answers[case.benchmark, self.name].respond(case)
        except BadInput as e:
            pytest.fail(str(e), pytrace=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not has_plan(session.config):
        return
    for item in session.items:
        if item.get_closest_marker("cases") and isinstance(item, pytest.Function):
            parameters: dict[str, Any] = item.callspec.params
            plan_of(session.config).select(parameters["subject"], parameters["case"])
    if not hasattr(session.config, "workerinput"):  # the controller has seen to it
        check_judges(session.config, {b for b, _ in plan_of(session.config).asked})
    gc.freeze()  # what was collected lives to the end: don't search it again and again


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    config = session.config
    if not config.option.lek_dry_run or session.testsfailed or config.option.collectonly:
        return None
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    for line in dry_run(plan_of(config)) if has_plan(config) else ["nothing to evaluate"]:
        reporter.write_line(line)
    return True


@pytest.hookimpl(tryfirst=True)  # before the terminal writes the name of the test's file
def pytest_runtest_protocol(item: pytest.Item) -> None:
    if has_plan(item.config):
        plan_of(item.config).judges.notices.show()
    for kind, benchmark in item.user_properties:
        if kind == CASE and not item.config.option.setuponly and isinstance(item, pytest.Function):
            subject: Any = item.callspec.params["subject"]
            plan_of(item.config).prepare(str(benchmark), subject)


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The model variant under test; pytest groups its tests, so one is in use at a time."""
    plan = plan_of(request.config)
    yield Subject(request.param, plan)
    plan.responses.unload(request.param)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if has_plan(session.config):
        cut_short = session.shouldfail or session.shouldstop
        if getattr(session.config, "workerinput", {}).get("lek_spread") and not cut_short:
            plan_of(session.config).judges.drain()
        plan_of(session.config).judges.close()
        plan_of(session.config).judges.notices.show()


def pytest_unconfigure(config: pytest.Config) -> None:
    close(config)


def _session_fixtures(config: pytest.Config) -> ModuleType:
    """``judge`` and ``record``, made for one session: needing no ``request``, they cost nothing."""
    properties: list[tuple[str, object]] = []

    @pytest.fixture(scope="session")
    def judge() -> Callable[[Case, Response], Verdict]:
        """``judge(case, response)``: the verdict of the judge that the profile names."""
        return plan_of(config).judge

    @pytest.fixture(scope="session")
    def record() -> Callable[[Verdict], None]:
        """``record(verdict)``: hand the verdict in, once per test, whatever its scores are."""
        return hand_in

    def hand_in(verdict: Verdict) -> None:
        if not isinstance(verdict, Verdict):
            raise TypeError(f"record() takes a Verdict, not {type(verdict).__name__}")
        if any(name == VERDICT for name, _ in properties):
            raise ValueError("record() was called twice in one test")
        plan_of(config).check(verdict)
        properties.append((VERDICT, verdict.to_json()))

    def pytest_runtest_setup(item: pytest.Item) -> None:
        nonlocal properties
        properties = item.user_properties
        properties[:] = [p for p in properties if p[0] != VERDICT]  # a test may be run again

    def pytest_keyboard_interrupt() -> None:
        if has_plan(config) and not hasattr(config, "workerinput"):
            plan_of(config).judges.interrupted()

    plugin = ModuleType("lek_session_fixtures")
    hooks = (pytest_runtest_setup, pytest_keyboard_interrupt)
    vars(plugin).update(judge=judge, record=record, **{hook.__name__: hook for hook in hooks})
    return plugin
