"""Loads the harness for every test below this directory."""

pytest_plugins = ["lek.plugin"]
