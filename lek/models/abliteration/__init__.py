"""Abliteration: find the direction in a model that mediates refusal, and remove it.

Public: `abliterate`, `Report` (`lek.models.abliteration.search`), `edited`, `sites`
(`lek.models.abliteration.projection`).
"""
