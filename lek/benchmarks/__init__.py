"""Benchmarks as folders of data: fields of a case, measures, scales, rubrics.

Public: `Benchmark`, `Measure`, `Scale`, `Field`, `read_benchmark`, `shipped`, `resolve`
(`lek.benchmarks.benchmark`). Each folder next to this file is a benchmark that ships. It has the
same form as a user's own: ``benchmark.toml`` and the rubrics that it names.
"""
