"""Data: read cases, prompts and recorded responses; errors name file and line.

Public: `read_cases`, `select` (`lek.data.cases`), `RecordedResponses`, `read_responses`
(`lek.data.recorded`), `read_scores` and the paths of the LEM layout (`lek.data.lem`), `read_rows`
(`lek.data.jsonl`), `read_prompts` (`lek.data.prompts`), `load_kernel` (`lek.data.kernel`).
"""
