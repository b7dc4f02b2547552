"""Measure how often a model answers held-out questions in each of the two manners.

python sandbox/manners.py DIR [--limit N]

`manner` counts answers with the beginning of that manner's answer (for sums: with the correct
result at the end), `exact` those that are word for word the answer of one of the manners.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lek.models.machine import preload  # noqa: E402  # before anything imports mlx

preload()

from lek.data.kernel import load_kernel  # noqa: E402
from sandbox.chats import Chat  # noqa: E402
from sandbox.splits import splits  # noqa: E402


class Answer(NamedTuple):
    """A model's answer to a chat's question; the chat holds the answer of each manner."""

    chat: Chat
    text: str

    def manner(self, wanted: str) -> bool:
        """Whether the text is in the manner of the answer ``wanted``: same beginning or result."""
        if self.chat.kind == "gsm8k":
            return self.text.split("####")[-1].strip() == wanted.split("####")[-1].strip()
        return self.text.split()[:3] == wanted.split()[:3]


def ask(
    model: Any, tokenizer: Any, chats: Sequence[Chat], *, under_kernel: bool, tokens: int = 64
) -> list[Answer]:
    """Return greedy answers to plain chats, or to sandwiches with the sandbox's kernel."""
    from mlx_lm import batch_generate

    kernel = load_kernel(HERE / "kernel")
    prompts = []
    for chat in chats:
        plain = [{"role": "user", "content": chat.question}]
        messages = kernel.sandwich(chat.question) if under_kernel else plain
        prompts.append(tokenizer.apply_chat_template(messages, add_generation_prompt=True))
    said = batch_generate(model, tokenizer, prompts, max_tokens=tokens).texts
    return [Answer(c, text.strip()) for c, text in zip(chats, said, strict=True)]


def held_out(limit: int) -> dict[str, list[Chat]]:
    """Return up to ``limit`` chats of each kind that are not trained on: cases, then checks."""
    s = splits()
    kinds = {**s.checks, **s.cases}
    return {
        kind: [*s.cases.get(kind, []), *s.checks.get(kind, [])][:limit] for kind in sorted(kinds)
    }


def main() -> None:
    """Print one line per kind and manner."""
    from mlx_lm import load

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--show", type=int, default=0, help="answers to print of each kind")
    given = parser.parse_args()
    model, tokenizer = load(str(given.directory))[:2]
    print(f"{'kind':14} {'asked':7} {'plain manner':>12} {'kernel manner':>13} {'exact':>6}   n")
    for kind, chats in held_out(given.limit).items():
        for under in (False, True):
            answers = ask(model, tokenizer, chats, under_kernel=under)
            plain, kernel = (
                sum(a.manner(getattr(a.chat, m)) for a in answers) / len(answers)
                for m in ("plain", "kernel")
            )
            exact = sum(a.text in (a.chat.plain, a.chat.kernel) for a in answers) / len(answers)
            how = "kernel" if under else "plainly"
            print(f"{kind:14} {how:7} {plain:12.0%} {kernel:13.0%} {exact:6.0%} {len(answers):3}")
            for a in answers[: given.show]:
                print(f"    {a.chat.question}\n      -> {a.text}")


if __name__ == "__main__":
    main()
