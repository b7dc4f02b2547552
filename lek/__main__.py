"""`python -m lek` -> the command `lek`."""

from lek.cli import app

app()
