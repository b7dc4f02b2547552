"""Runs: what to evaluate (plan), collecting test reports (tally), and the result on disk (run).

Public: `Plan`, `make_plan` (`lek.runs.plan`), `dry_run` (`lek.runs.dry_run`), `Tally`
(`lek.runs.tally`), `Run`, `load_run` (`lek.runs.run`).
"""
