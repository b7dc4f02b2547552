"""LLM judges: prompts built from rubrics, sent from threads or in batches, with stored votes.

Public: `LLMJudge` (`lek.judges.llm.judge`), executors (`question`, `remote`, `local`),
prompts (`prompt`), replies (`reply`), and requests and their cost (`usage`).
"""
