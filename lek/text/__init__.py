"""Texts of models: as plain sentences and words; do they decline, are they degenerate.

Public: `strip_markup`, `sentences`, `words` (`lek.text.sentences`), `refusal`
(`lek.text.refusals`), `degenerate` (`lek.text.degeneration`).
"""
