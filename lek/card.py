"""The facts of a build -> the model card that goes with an exported model."""

import json
from typing import Any


def card(name: str, facts: dict[str, Any]) -> str:
    """A README in Markdown for the model directory of subject ``name``."""
    recipe = json.dumps(facts["recipe"], indent=1, ensure_ascii=False)
    lines = [
        "---",
        "library_name: mlx",
        "pipeline_tag: text-generation",
        "tags: [mlx, lem]",
        "---",
        "",
        f"# {name}",
        "",
        f"Built by the LEM evaluation harness; numeric form: {facts['form']}.",
        f"Fingerprint: `{facts['fingerprint']}`. Its licence is that of its origin.",
        "",
        "```python",
        "from mlx_lm import generate, load",
        "",
        'model, tokenizer = load("this directory")',
        "```",
        "",
        "## Recipe",
        "",
        "```json",
        recipe,
        "```",
        "",
    ]
    measured = facts.get("abliteration")
    if measured:
        text = json.dumps(measured, indent=1, ensure_ascii=False)
        lines += ["## What the abliteration did", "", "```json", text, "```", ""]
    if "lora" in facts:
        stages = json.dumps(facts["lora"], indent=1, ensure_ascii=False)
        lines += ["## What the training did", "", "```json", stages, "```", ""]
    return "\n".join(lines)
