"""A subject and prompts -> its answers under the kernel, filtered, as chats to train on.

The LEK method's distillation: each prompt is asked between axioms and kernel, and what comes back
is kept without them: the user's words, then the answer. Left out are answers that are cut off,
degenerate, recite the kernel, or say what an earlier answer said.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lek.data.kernel import Kernel
from lek.errors import BadInput
from lek.generation.backend import chat
from lek.generation.generator import Generator
from lek.records import Response
from lek.text.degeneration import degenerate
from lek.workspace.atomic import write_file

RECITED = 8  # words in a row that an answer may not share with what was wrapped around its prompt


@dataclass
class Harvest:
    """The chats that were kept, as rows of a JSON Lines file, and how many were left out why."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def sandwich(
    generator: Generator, subject: str, prompts: Mapping[str, str], kernel: Kernel
) -> Harvest:
    """Ask ``subject`` each of ``prompts`` under ``kernel`` and keep what is fit to train on.

    Each row has ``messages`` (user, assistant), and ``origin``: where the answer comes from.
    """
    asked = {i: kernel.sandwich(prompt) for i, prompt in prompts.items()}
    answers = generator.ask(subject, "sandwich", asked)
    origin = {
        "subject": subject,
        "fingerprint": generator.models.fingerprint(subject),
        "kernel": kernel.digest,
        "decoding": generator.decoding.model_dump(mode="json", exclude_none=True),
    }
    wrapping = _runs(f"{kernel.axioms_json} {kernel.text}")
    harvest, said = Harvest(), set[str]()
    for name, prompt in prompts.items():
        why = _unfit(answers[name], wrapping, said)
        if why is not None:
            harvest.left_out[why] += 1
            continue
        text = (answers[name].text or "").strip()
        said.add(_words(text))
        messages = [*chat(prompt), {"role": "assistant", "content": text}]
        harvest.rows.append({"messages": messages, "origin": {"prompt": name, **origin}})
    return harvest


def check(out: Path) -> None:
    """Raise `BadInput` where ``out`` is there already; asked before the work, not after."""
    if out.exists():
        raise BadInput(f"--out {out}: exists; name a new file")


def write(harvest: Harvest, out: Path) -> None:
    """Write the rows to ``out``, which must not exist: whole, or not at all."""
    check(out)
    if not harvest.rows:
        why = "; ".join(f"{n} {why}" for why, n in harvest.left_out.items())
        raise BadInput(f"--out {out}: nothing to write, since no answer is fit to train on: {why}")
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in harvest.rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, "".join(lines))
    except OSError as e:
        raise BadInput(f"--out {out}: cannot be written: {e.strerror}") from e


def _unfit(answer: Response, wrapping: set[tuple[str, ...]], said: set[str]) -> str | None:
    """Why an answer is not fit to train on, or ``None`` if it is."""
    if answer.text is None:
        return answer.reason or "no answer"
    if answer.finish == "length":
        return "cut off by max_tokens"
    if degenerate(answer.text):
        return "degenerate"
    if _runs(answer.text) & wrapping:
        return "recites the kernel"
    return "said before" if _words(answer.text) in said else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + RECITED]) for i in range(len(words) - RECITED + 1)}
