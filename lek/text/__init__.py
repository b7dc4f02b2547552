"""Text: sentences and words of a model's answers; detection of refusals and degenerate text.

Public: `strip_markup`, `sentences`, `words` (`lek.text.sentences`), `refusal`, `Refusal`
(`lek.text.refusals`), `degenerate` (`lek.text.degeneration`).
"""
