"""Abliteration: find the direction in a model that mediates refusal, and remove it."""
