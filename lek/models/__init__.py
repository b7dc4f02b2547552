"""Models: a subject's recipe becomes a model directory, made once.

Public: `Recipes` (`lek.models.recipes`), `Builder` (`lek.models.build`), `load`, `NumericFormat`
(`lek.models.weights`), `fetch` (`lek.models.hub`), `preload`, `examine` (`lek.models.machine`).
"""
