"""LLM judges: prompts built from rubrics, sent from threads or in batches, with stored votes.

Public: `LLMJudge` (`lek.judges.llm.judge`), executors (`question`, `local`), prompts (`prompt`),
replies (`reply`).
"""
