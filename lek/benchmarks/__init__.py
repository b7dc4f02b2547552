"""Benchmarks as folders of data: what a case holds, what is measured, on which scale, by what.

Public: `Benchmark`, `Measure`, `Scale`, `Field`, `read_benchmark`, `shipped`, `resolve`
(`lek.benchmarks.benchmark`). Each folder beside this file is a benchmark that ships, in the form
that a user's own has: ``benchmark.toml`` and the rubrics that it names.
"""
