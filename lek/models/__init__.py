"""Recipes -> weights on disk: what turns one model directory into another."""
