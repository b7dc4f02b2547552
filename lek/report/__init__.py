"""Reports of a finished run: the terminal summary and HTML fragments.

Public: `summary` (`lek.report.terminal`), `summary`, `case` (`lek.report.html`), `render`
(`lek.report.template`).
"""
