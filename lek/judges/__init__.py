"""Judges: (case, response) -> verdict. A failed judgement is unscored, never a number."""
