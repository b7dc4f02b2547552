"""Test helpers: projects to run pytest in, servers on loopback, tiny models."""
