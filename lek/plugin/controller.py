"""Hooks of the main process: collect reports, rule on gates, write the run, set the exit code.

The main process is xdist's controller or, without xdist, the only process.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pytest

from lek.errors import BadInput
from lek.plugin.session import check_judges, evals_are_named, idle, plan_of, shown, started
from lek.records import Ruling
from lek.report import html, terminal
from lek.runs.run import Run, commit_of, discard, out_directory, reserve_run, write_run
from lek.runs.tally import Tally

VERDICT, CASE, ABSENT = "lek_verdict", "lek_case", "lek_absent"


class Controller:
    """The plugin of the main process, which receives the reports of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tally: Tally | None = None
        self._temporary: Path | None = None
        self._run: Run | None = None
        self._write_error: str | None = None
        self._selected: set[str] = set()
        self._gate_reports: list[pytest.TestReport] = []
        if evals_are_named(config):
            self.prepare()

    def prepare(self) -> Tally:
        """Create the plan, the tally and the directory of the run; bad input is a usage error."""
        if self._tally is None:
            tally = Tally(plan_of(self._config))
            option = self._config.option
            self._commit = commit_of(self._config.rootpath)
            if idle(self._config):
                self._tally = tally
                return tally
            try:
                here = self._config.invocation_params.dir
                out = out_directory(option.lek_out, here, tally.started, self._commit[0])
                self._out = out.absolute()  # a test may change the current directory
                name = "--lek-out" if option.lek_out else "the run"
                self._temporary = reserve_run(self._out, name)
            except BadInput as e:
                raise pytest.UsageError(str(e)) from e
            self._tally = tally
            if getattr(option, "numprocesses", None) or getattr(option, "tx", None):
                # Under xdist, the selection is known only after the workers have started.
                try:
                    check_judges(self._config, plan_of(self._config).cases)
                except pytest.UsageError:
                    discard(self._temporary)
                    raise
        return self._tally

    def pytest_report_header(self) -> list[str]:
        if self._tally is None:
            return []
        plan = plan_of(self._config)
        lines = [f"lek: profile {plan.loaded.name}, data {plan.directory}"]
        return lines + [f"lek: {note}" for note in plan.notes]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected |= {i.nodeid for i in session.items if i.get_closest_marker("cases")}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        # With other distributions, a worker may wait for a judge request of another worker.
        spread = self._config.option.dist != "loadgroup"
        node.workerinput.update(lek_started=started(self._config), lek_spread=spread)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        self._selected.update(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.option.dist != "loadgroup" or self._tally is None:
            return None
        from lek.plugin.scheduling import SubjectScheduling

        return SubjectScheduling(config, log, self._tally.subject_of)

    @pytest.hookimpl(tryfirst=True)  # the terminal reporter then asks for the status of this test
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == VERDICT and report.when == "call" and report.passed:
                self.prepare().verdict(report.nodeid, str(value))
            elif name == CASE and report.when == "setup":
                self.prepare().case(report.nodeid)
            elif name == ABSENT:
                self.prepare().absent(str(value))
        if self._tally is not None and report.when not in ("call", "teardown"):
            self._tally.report(report.nodeid)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> Any:
        if report.when != "call" or not report.passed or self._tally is None:
            return None
        verdict = self._tally.verdict_of(report.nodeid)
        if verdict is not None and verdict.unscored:
            return "unscored", "u", ("UNSCORED", {"yellow": True})
        return None

    @pytest.hookimpl(tryfirst=True)  # before JUnit and HTML are written
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        tally, temporary = self._tally, self._temporary
        if tally is None or temporary is None or exitstatus >= pytest.ExitCode.INTERNAL_ERROR:
            return
        plan_of(self._config).judges.close()
        tally.select(self._selected)
        if tally.empty:
            return
        commit, dirty = self._commit
        option = self._config.option
        selection = {"keyword": option.keyword, "markers": option.markexpr}
        self._run = run = tally.finish(commit=commit, dirty=dirty, selection=selection)
        try:
            self._out = write_run(run, self._out, temporary)
        except OSError as e:
            self._write_error = f"not written: {e}"
        self._report_gates(run.gates)
        success = run.complete and (run.holds or option.lek_no_gates)
        if exitstatus == pytest.ExitCode.OK:
            if not success or self._write_error:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            elif not run.verdicts:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def _report_gates(self, gates: list[Ruling]) -> None:
        """Report each gate as a test to JUnit and HTML; the terminal shows it in its summary."""
        manager = self._config.pluginmanager
        names = ("terminalreporter", "lfplugin", "nfplugin", "stepwiseplugin")
        excluded = [p for p in map(manager.get_plugin, names) if p is not None]
        notify = manager.subset_hook_caller("pytest_runtest_logreport", [self, *excluded])
        for gate in gates:
            if gate.ruling != "not selected":
                reports = _gate_reports(gate, no_gates=self._config.option.lek_no_gates)
                self._gate_reports.append(reports[0])
                for report in reports:
                    notify(report=report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run is None:
            return
        for report in self._gate_reports:
            terminalreporter.stats.setdefault(report.outcome, []).append(report)
        terminalreporter.section(f"lek: {plan_of(self._config).loaded.name}")
        width = min(terminalreporter._tw.fullwidth, 100)
        for text, style in terminal.summary(self._run, width):
            markup = {style: True} if style else {}
            terminalreporter.write_line(text, **markup)
        terminalreporter.write_line(f"run: {self._write_error or shown(self._out)}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        if self._tally is not None:
            report.title = f"LEM evaluation: {plan_of(self._config).loaded.name}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        if self._run is not None:
            prefix.append(html.summary(self._run))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        cells[1] = html.test_id(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[str]) -> None:
        verdict = self._tally.verdict_of(report.nodeid) if self._tally else None
        if verdict is not None and report.when == "call":
            logs = [text for text in data if text != "No log output captured."]
            data[:] = [html.case(verdict), *logs]

    def pytest_unconfigure(self) -> None:
        if self._temporary is not None:
            discard(self._temporary)


def _gate_reports(gate: Ruling, *, no_gates: bool) -> list[pytest.TestReport]:
    """Test reports for a gate: the call, and the teardown that JUnit and HTML require.

    With ``no_gates`` a gate that did not pass is reported as skipped.
    """
    outcome: Literal["passed", "failed", "skipped"] = "passed"
    longrepr: Any = None
    if gate.ruling != "passed":
        outcome = "skipped" if no_gates else "failed"
        # pytest itself prints "FAILED" before the message
        message = gate.why if gate.ruling == "failed" else gate.sentence
        longrepr = ("lek", 0, f"Skipped: {gate.sentence}") if no_gates else message

    def report(when: Literal["call", "teardown"]) -> pytest.TestReport:
        return pytest.TestReport(
            nodeid=f"gate::{gate.rule}",
            location=("gate", None, gate.rule),
            keywords={},
            outcome=outcome if when == "call" else "passed",
            longrepr=longrepr if when == "call" else None,
            when=when,
            duration=0.0,
        )

    return [report("call"), report("teardown")]
