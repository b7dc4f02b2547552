"""Runs: profile and options become a plan, the stream of test reports a run on disk.

Public: `Plan`, `make_plan` (`lek.runs.run.plan`), `dry_run` (`lek.runs.run.dry_run`), `Tally`
(`lek.runs.run.tally`), `Run` (`lek.runs.run.run`).
"""
