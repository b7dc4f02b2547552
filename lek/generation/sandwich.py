"""Generate training chats from a subject's answers under the kernel.

This is the distillation of the LEK method: the subject answers each prompt between axioms and
kernel, and the chat consists of the bare prompt and this answer. Answers that are cut off, are
degenerate, recite the kernel, or repeat an earlier answer are left out.
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
from lek.records import Response, one_line
from lek.text.degeneration import degenerate
from lek.workspace.atomic import write_file

RECITED = 8  # consecutive words; an answer that shares so many with axioms or kernel recites them


@dataclass
class Harvest:
    """Training chats as rows of a JSON Lines file, and the number left out for each reason."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def sandwich(
    generator: Generator, subject: str, prompts: Mapping[str, str], kernel: Kernel
) -> Harvest:
    """Have ``subject`` answer each of ``prompts`` under ``kernel``; keep answers fit to train on.

    Each row has ``messages`` (user, assistant) and ``origin``: the prompt's id, the subject and its
    fingerprint, the digest of the kernel, and the decoding settings.
    """
    wrapped = {i: kernel.sandwich(prompt) for i, prompt in prompts.items()}
    answers = generator.ask(subject, "sandwich", wrapped)
    origin = {
        "subject": subject,
        "fingerprint": generator.models.fingerprint(subject),
        "kernel": kernel.digest,
        "decoding": generator.decoding.model_dump(mode="json", exclude_none=True),
    }
    kernel_phrases = _phrases(f"{kernel.axioms_json} {kernel.text}")
    harvest, earlier = Harvest(), set[str]()
    for name, prompt in prompts.items():
        reason = _unfit(answers[name], kernel_phrases, earlier)
        if reason is not None:
            harvest.left_out[reason] += 1
            continue
        text = (answers[name].text or "").strip()
        earlier.add(_words(text))
        messages = [*chat(prompt), {"role": "assistant", "content": text}]
        harvest.rows.append({"messages": messages, "origin": {"prompt": name, **origin}})
    return harvest


def check(out: Path) -> None:
    """Raise `BadInput` if ``out`` exists; called before the work, so that none is wasted."""
    if out.exists():
        raise BadInput(f"--out {out}: exists; name a new file")


def write(harvest: Harvest, out: Path) -> None:
    """Write the rows to ``out``, completely or not at all.

    Raises `BadInput` if ``out`` exists or cannot be written, or if there are no rows.
    """
    check(out)
    if not harvest.rows:
        reasons = "; ".join(f"{n} {reason}" for reason, n in harvest.left_out.items())
        raise BadInput(f"--out {out}: nothing to write, since no answer can be used: {reasons}")
    lines = (one_line(json.dumps(row, ensure_ascii=False)) + "\n" for row in harvest.rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, "".join(lines))
    except OSError as e:
        raise BadInput(f"--out {out}: cannot be written: {e.strerror}") from e


def _unfit(answer: Response, kernel_phrases: set[tuple[str, ...]], earlier: set[str]) -> str | None:
    """Return why an answer is not fit to train on, or ``None`` if it is."""
    if answer.text is None:
        return answer.reason or "no answer"
    if answer.finish == "length":
        return "cut off by max_tokens"
    if degenerate(answer.text):
        return "degenerate"
    if _phrases(answer.text) & kernel_phrases:
        return "recites the kernel"
    return "said before" if _words(answer.text) in earlier else None


def _words(text: str) -> str:
    """The words of ``text`` in lower case, to compare answers regardless of punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _phrases(text: str) -> set[tuple[str, ...]]:
    """All sequences of `RECITED` consecutive words in ``text``."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + RECITED]) for i in range(len(words) - RECITED + 1)}
