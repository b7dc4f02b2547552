"""Evaluations for a repository of the user: a profile, tests, a benchmark and a CI file.

The files are in ``templates``. Public: `repository.create`.
"""
