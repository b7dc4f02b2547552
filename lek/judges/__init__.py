"""Judges, which turn a case and its response into a verdict.

A failed judgement is unscored; it never becomes a number.

Public: `Judges`, `Judge`, `measures_for` (`lek.judges.judges`); the judges themselves are in
`recorded`, `reference`, `detectors`, `exact` and `llm`.
"""
