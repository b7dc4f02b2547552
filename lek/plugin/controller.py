"""Hooks of the main process: collect reports, rule on gates, write the run, set the exit code.

The main process is xdist's controller or, without xdist, the only process.
"""

import os
from collections.abc import Generator, Iterable
from html import escape
from pathlib import Path
from typing import Any, Literal

import pytest

from lek.errors import BadInput, printable
from lek.export.step_summary import append_step_summary
from lek.plugin.selection import left_out
from lek.plugin.session import check_access, evals_are_named, idle, plan_of, session_of, shown
from lek.records import Ruling, Verdict
from lek.report import page, terminal
from lek.runs.run import Run, commit_of, out_directory, reserve_run, write_run
from lek.runs.tally import Tally
from lek.workspace.atomic import Reservation, write_file

# user properties of tests; a fatal error ends the session
VERDICT, CASE, ABSENT, FATAL = "lek_verdict", "lek_case", "lek_absent", "lek_fatal"
LEFT_OUT = "lek_left_out"  # output of workers
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
RECORDED = pytest.StashKey[tuple[str, Verdict]]()  # the last verdict of this process, and its line


def remove_verdict(properties: list[tuple[str, object]]) -> None:
    """Remove the verdict from the user ``properties`` of a test, or of its report."""
    for i in reversed(range(len(properties))):
        if properties[i][0] == VERDICT:
            del properties[i]


class Controller:
    """The plugin of the main process, which receives the reports of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tally: Tally | None = None
        self._reservation: Reservation | None = None
        self._run: Run | None = None
        self._write_error: str | None = None
        self._output_errors: list[str] = []
        self._fatal: str | None = None
        self._selected: set[str] = set()
        self._left_out: dict[tuple[str, str], str] = {}
        self._further_reports: list[pytest.TestReport] = []
        if evals_are_named(config):
            self.prepare()

    def prepare(self) -> Tally:
        """Create the plan, the tally and the directory of the run; bad input is a usage error."""
        if self._tally is None:
            tally = Tally(plan_of(self._config))
            option = self._config.option
            self._commit = commit_of(self._config.rootpath)
            if self._commit.problem is not None:
                plan_of(self._config).notes.append(self._commit.problem)
            if idle(self._config):
                self._tally = tally
                return tally
            try:
                here = self._config.invocation_params.dir
                out = out_directory(option.lek_out, here, tally.started, self._commit.id)
                self._out = out.absolute()  # a test may change the current directory
                name = "--lek-out" if option.lek_out else "the run"
                self._reservation = reserve_run(self._out, name)
            except BadInput as e:
                raise pytest.UsageError(str(e)) from e
            plan_of(self._config).workspace.ignore()
            self._tally = tally
            if getattr(option, "numprocesses", None) or getattr(option, "tx", None):
                # Under xdist, the selection is known only after the workers have started.
                try:
                    check_access(self._config, plan_of(self._config).cases)
                except pytest.UsageError:
                    self._reservation.discard()  # pytest does not call `pytest_unconfigure`
                    raise
        return self._tally

    def pytest_report_header(self) -> list[str]:
        if self._tally is None:
            return []
        plan = plan_of(self._config)
        data = f", data {plan.directory}" if plan.directory else ""
        lines = [f"profile {plan.loaded.name}{data}", *plan.notes]
        return [f"lek: {printable(line)}" for line in lines]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected |= {i.nodeid for i in session.items if i.get_closest_marker("cases")}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        # With other distributions, a worker may wait for a judge request of another worker.
        spread = self._config.option.dist != "loadgroup"
        node.workerinput.update(lek_session=session_of(self._config), lek_spread=spread)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        self._selected.update(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for benchmark, subject, reason in getattr(node, "workeroutput", {}).get(LEFT_OUT, ()):
            self._left_out[benchmark, subject] = reason

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.option.dist != "loadgroup" or self._tally is None:
            return None
        from lek.plugin.scheduling import SubjectScheduling

        return SubjectScheduling(config, log, self._tally.group_of)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # the terminal reporter asks for the status
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        for name, value in report.user_properties:
            if name == FATAL:
                self._fatal = str(value)
                pytest.exit(self._fatal, returncode=pytest.ExitCode.USAGE_ERROR)
            if name == VERDICT and report.when == "call" and report.passed:
                self._verdict(report.nodeid, value)
            elif name == CASE and report.when == "setup":
                self.prepare().case(report.nodeid)
            elif name == ABSENT:
                self.prepare().absent(str(value))
        if self._tally is not None and report.when not in ("call", "teardown"):
            self._tally.report(report.nodeid)
        yield
        # pytest keeps all reports until the end, and the tally has the verdict
        remove_verdict(report.user_properties)

    def _verdict(self, nodeid: str, line: object) -> None:
        """Add the verdict in ``line`` to the tally; one of this process need not be read again."""
        recorded = self._config.stash.get(RECORDED, None)
        if recorded is not None and recorded[0] is line:
            self.prepare().add(nodeid, recorded[1])
        else:
            self.prepare().verdict(nodeid, str(line))

    def pytest_report_teststatus(self, report: pytest.TestReport) -> Any:
        if report.when != "call" or not report.passed or self._tally is None:
            return None
        verdict = self._tally.verdict_of(report.nodeid)
        if verdict is not None and verdict.unscored:
            return "unscored", "u", ("UNSCORED", {"yellow": True})
        return None

    # around the writing of JUnit and HTML, and inside of the hook that writes the terminal summary
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        if exitstatus < pytest.ExitCode.INTERNAL_ERROR:
            try:
                self._finish(session, exitstatus)
            except BadInput as e:  # such as a store that was damaged meanwhile
                self._fatal = str(e)
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        result = yield
        self._write_page()
        self._write_step_summary()
        return result

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        """Rule on the gates, write the run, and set the exit code."""
        tally, reservation = self._tally, self._reservation
        if tally is None or reservation is None:
            return
        plan_of(self._config).close()
        tally.select(self._selected)
        if tally.empty:
            return
        option = self._config.option
        selection = {"keyword": option.keyword, "markers": option.markexpr}
        omitted = left_out(self._config) | self._left_out
        self._run = run = tally.finish(
            omitted,
            commit=self._commit.id,
            commit_message=self._commit.message,
            dirty=self._commit.dirty,
            selection=selection,
        )
        try:
            self._out = write_run(run, self._out, reservation)
        except OSError as e:
            self._write_error = f"not written: {e}"
        no_gates = option.lek_no_gates
        reports = [_gate_report(gate, no_gates=no_gates) for gate in run.selected_gates]
        if self._write_error is not None:
            reports.append(_report("run", str(shown(self._out)), "failed", self._write_error))
        self._publish(reports)
        success = run.complete and (run.holds or option.lek_no_gates)
        if exitstatus == pytest.ExitCode.OK:
            if not success or self._write_error:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            elif not run.verdicts:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def _publish(self, reports: list[pytest.TestReport]) -> None:
        """Pass further reports to JUnit and HTML; the terminal shows them in its summary."""
        self._further_reports = reports
        manager = self._config.pluginmanager
        names = ("terminalreporter", "lfplugin", "nfplugin", "stepwiseplugin")
        excluded = [p for p in map(manager.get_plugin, names) if p is not None]
        notify = manager.subset_hook_caller("pytest_runtest_logreport", [self, *excluded])
        for report in reports:
            notify(report=report)
            kind, _, name = report.nodeid.partition("::")
            # JUnit and HTML require a teardown
            notify(report=_report(kind, name, "passed", None, when="teardown"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._fatal is not None:
            terminalreporter.write_line(f"ERROR: {self._fatal}", red=True)
        if self._run is None:
            return
        for report in self._further_reports:
            terminalreporter.stats.setdefault(report.outcome, []).append(report)
        terminalreporter.write_sep("=", f"lek: {plan_of(self._config).loaded.name}")
        width = min(terminalreporter._tw.fullwidth, 100)
        for text, style in terminal.summary(self._run, width):
            markup = {style: True} if style else {}
            terminalreporter.write_line(printable(text), **markup)
        terminalreporter.write_line(f"run: {self._write_error or shown(self._out)}")
        for error in self._output_errors:
            terminalreporter.write_line(error, red=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        if self._tally is not None:
            report.title = "Session"  # the heading of its part of the page

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        verdict = self._tally.verdict_of(report.nodeid) if self._tally else None
        if verdict is not None and report.passed and not report.sections:
            cells.clear()  # the page shows cases in a table of its own
        else:
            cells[1] = f'<td class="col-testId">{escape(printable(report.nodeid))}</td>'

    def _write_page(self) -> None:
        """Replace the page that pytest-html wrote by the report, which includes it."""
        path = getattr(self._config.option, "htmlpath", None)
        if self._run is None or not path:
            return
        file = Path(os.path.expandvars(path)).expanduser()  # as pytest-html does
        try:
            session = file.read_text(encoding="utf-8")
            if self._write_error is None:
                write_file(self._out / page.SESSION, session)
            write_file(file, page.page(self._run, session))
        except OSError as e:
            self._output_errors.append(f"{file}: cannot be written: {e.strerror}")

    def _write_step_summary(self) -> None:
        """Append the gates to the summary of the job, on GitHub Actions."""
        file = os.environ.get(STEP_SUMMARY)
        if self._run is None or not file:
            return
        try:
            append_step_summary(self._run, Path(file))
        except OSError as e:
            error = f"{STEP_SUMMARY} {file}: cannot be written: {e.strerror}"
            self._output_errors.append(error)

    def pytest_unconfigure(self) -> None:
        if self._reservation is not None:
            self._reservation.discard()


def _gate_report(gate: Ruling, *, no_gates: bool) -> pytest.TestReport:
    """The report of a gate; with ``no_gates``, one that did not pass is reported as skipped."""
    if gate.ruling == "passed":
        return _report("gate", gate.rule, "passed", None)
    ruling = f"{gate.ruling.upper()}: {gate.why}"
    if no_gates:
        return _report("gate", gate.rule, "skipped", ("lek", 0, f"Skipped: {ruling}"))
    # pytest itself prints "FAILED" before the message
    message = gate.why if gate.ruling == "failed" else ruling
    return _report("gate", gate.rule, "failed", message)


def _report(
    kind: str,
    name: str,
    outcome: Literal["passed", "failed", "skipped"],
    longrepr: Any,
    when: Literal["call", "teardown"] = "call",
) -> pytest.TestReport:
    """A report of something that is not a test, ``kind::name``."""
    return pytest.TestReport(
        nodeid=f"{kind}::{name}",
        location=(kind, None, name),
        keywords={},
        outcome=outcome,
        longrepr=longrepr,
        when=when,
        duration=0.0,
    )
