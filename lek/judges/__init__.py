"""Judges: a case and its response become a verdict. A failed judgement is unscored, never a number.

Public: `Judges`, `Judge`, `measures_for` (`lek.judges.judges`); the judges themselves are in
`recorded`, `reference`, `detectors`, `exact` and `llm`.
"""
