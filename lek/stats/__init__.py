"""Statistics: metrics with 95% intervals, and gates with their rulings.

Public: `metric`, `paired` (`lek.stats.metrics`), `Gate`, `Side`, `parse_gates`, `rule_gates`
(`lek.stats.gates`), intervals and tests (`lek.stats.intervals`).
"""
