"""LLM judges: a prompt by the rubrics of a benchmark, asked in threads or batches, votes stored.

Public: `LLMJudge` (`lek.judges.llm.judge`), executors (`question`, `remote`, `local`),
prompts (`prompt`), replies (`reply`), and what was asked and paid (`usage`).
"""
