"""Models: build a subject's model directory from its recipe, and load it.

Public: `Recipes` (`lek.models.recipes`), `Builder` (`lek.models.build`), `load`, `NumericFormat`
(`lek.models.weights`), `fetch` (`lek.models.hub`), `preload`, `examine` (`lek.models.machine`).
"""
