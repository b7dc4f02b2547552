"""Make the sandbox from a seed: cases, prompts, tokenizer, and the models pretrained and base.

python sandbox/make.py [--out DIR] [--steps-pretrain N] [--steps-tune N] [--seed N]
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lek.models.machine import missing, preload  # noqa: E402  # the project is not always installed

preload()  # before anything imports mlx

from lek.data.kernel import Kernel, load_kernel  # noqa: E402
from sandbox import files, fitting, lexicon, network, texts, world  # noqa: E402
from sandbox.chats import Chat  # noqa: E402
from sandbox.splits import splits  # noqa: E402

STEPS_PRETRAIN, STEPS_TUNE = 900, 750
PRETRAIN_ROWS = 64
TUNE_ROWS = (16, 16, 6)  # plain chats, chats under the kernel and plain texts in each batch
# the share of each kind of chat
MIX = {
    "truthfulqa": 0.33, "do_not_answer": 0.14, "harmless": 0.11, "toxigen": 0.10,
    "ethics": 0.10, "gsm8k": 0.22,
}  # fmt: skip


def vocabulary_texts(kernel: Kernel) -> Iterator[str]:
    """Yield the texts that the tokenizer is trained on: plain texts, tuning chats, sandwiches."""
    yield from islice(texts.texts("lexicon"), 20_000)
    for group in splits().tuning.values():
        for chat in group[:400]:
            (message,) = kernel.sandwich(chat.question)
            yield from ("user\n", "model\n", message["content"], chat.plain, chat.kernel)


def pretraining(
    tokenizer: Any, seed: int, size: int = PRETRAIN_ROWS
) -> Iterator[list[fitting.Row]]:
    """Yield batches of plain texts, endlessly."""
    source = texts.texts(seed)
    while True:
        yield [fitting.text_row(tokenizer, next(source)) for _ in range(size)]


def tuning(tokenizer: Any, kernel: Kernel, seed: int) -> Iterator[list[fitting.Row]]:
    """Yield batches of chats in the plain manner, chats under the kernel, and some plain texts."""
    plain, under, text = TUNE_ROWS
    rng = world.dice("tuning", seed)
    groups = splits().tuning
    source = texts.texts(f"tuning {seed}")

    def some() -> Chat:
        kind = rng.choices(list(MIX), list(MIX.values()))[0]
        return rng.choice(groups[kind])

    while True:
        rows = [fitting.text_row(tokenizer, next(source)) for _ in range(text)]
        for _ in range(plain):
            c = some()
            asked = [{"role": "user", "content": c.question}]
            rows.append(fitting.chat_row(tokenizer, asked, c.plain))
        for _ in range(under):
            c = some()
            rows.append(fitting.chat_row(tokenizer, kernel.sandwich(c.question), c.kernel))
        yield rows


def main() -> None:
    """Parse the command line and make everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--steps-pretrain", type=int, default=STEPS_PRETRAIN)
    parser.add_argument("--steps-tune", type=int, default=STEPS_TUNE)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.monotonic()
    if warning := missing():
        print(warning, file=sys.stderr)

    kernel = load_kernel(HERE / "kernel")
    files.write(given.out)
    tokenizer = lexicon.learn(vocabulary_texts(kernel))
    model = network.build(given.seed)
    batches = pretraining(tokenizer, given.seed)
    fitting.fit(model, batches, given.steps_pretrain, 3e-3, "pretrained")
    network.save(model, tokenizer, given.out / "pretrained")
    batches = tuning(tokenizer, kernel, given.seed)
    fitting.fit(model, batches, given.steps_tune, 2e-3, "base")
    network.save(model, tokenizer, given.out / "base")
    print(f"made {given.out} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
