"""Run the command `lek` as ``python -m lek``."""

from lek.cli import app

app()
