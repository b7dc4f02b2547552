"""LEM's evaluation harness: recorded or generated answers in, metrics and gate rulings out."""

__version__ = "0.1.0"
