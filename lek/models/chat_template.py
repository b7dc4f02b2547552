"""Render a prompt with a model's chat template."""

from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from lek.errors import BadInput


def render(
    tokenizer: Any, messages: list[dict[str, str]], *, thinking: bool | None, directory: Path
) -> str:
    """Return ``messages`` as the text that the model continues with its answer.

    ``thinking``: given to the template as ``enable_thinking``, unless it is ``None``.
    ``directory``: names the model in errors. Raises `BadInput` if there is no chat template, or if
    it rejects the messages or omits the system message.
    """
    if not tokenizer.has_chat_template:
        raise BadInput(f"{directory}: no chat template; give the subject prompt = 'plain'")
    has_system = messages[0]["role"] == "system"
    remedy = "; delete the subject's key system" if has_system else ""
    try:
        text = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            **({} if thinking is None else {"enable_thinking": thinking}),
        )
    except (TemplateError, TypeError, ValueError, LookupError) as e:
        cause = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise BadInput(f"{directory}: its chat template rejects the prompt: {cause}{remedy}") from e
    if has_system and messages[0]["content"].strip() not in text:
        raise BadInput(f"{directory}: its chat template omits system messages{remedy}")
    return str(text)
