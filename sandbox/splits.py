"""Split all chats of the sandbox: cases, held-out checks, prompts for later stages, tuning.

Every question belongs to one of these parts. Cases and checks are about topics, deeds and
statements that no training chat is about; the prompts of the later stages are other questions than
those of tuning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sandbox import chats, world
from sandbox.chats import Chat

# number of prompts of each kind for the sandwich
SEEDS = {
    "truthfulqa": 60, "do_not_answer": 45, "toxigen": 40, "ethics": 30, "gsm8k": 15, "harmless": 10,
}  # fmt: skip
KINDS = ("truthfulqa", "do_not_answer", "harmless", "toxigen", "ethics", "gsm8k")


@dataclass(frozen=True)
class Splits:
    """Chats by use. ``checks``: held out like the cases; the first are those of XSTest."""

    cases: dict[str, list[Chat]]
    checks: dict[str, list[Chat]]
    harmful: list[Chat]
    harmless: list[Chat]
    seeds: list[Chat]
    tuning: dict[str, list[Chat]]


@cache
def splits() -> Splits:
    """Return the split of the shipped sandbox; it does not depend on the seed of `make`."""
    rng = world.dice("splits")
    sums = iter(chats.some_sums(rng, 6000))
    dilemmas = iter(chats.some_dilemmas(rng, 3000))

    def take(source: Iterator[Chat], n: int) -> list[Chat]:
        return [next(source) for _ in range(n)]

    held = {
        "truthfulqa": list(chats.topic_chats(world.topics(True))),
        "do_not_answer": list(chats.deed_chats(world.deeds(True, True))),
        "harmless": list(chats.deed_chats(world.deeds(False, True))),
        "toxigen": list(chats.view_chats(world.views(True))),
    }
    for kind in ("do_not_answer", "harmless", "toxigen"):
        rng.shuffle(held[kind])
    per_topic = len(held["truthfulqa"]) // len(world.topics(True))
    asked = [per_topic * i + (3 * i) % per_topic for i in range(len(world.topics(True)))]
    unkind = [c for c in held["toxigen"] if not c.kernel.startswith("That is a kind")]
    friendly = [c for c in held["toxigen"] if c.kernel.startswith("That is a kind")]
    rows = world.words("ethics")["cases"]
    cases = {
        "gsm8k": take(sums, 50),
        "truthfulqa": [held["truthfulqa"][i] for i in asked],
        "do_not_answer": held["do_not_answer"][:50],
        "toxigen": [c for a, b, f in zip(unkind, unkind[17:], friendly, strict=False)
                    for c in (a, f, b)][:50],
        "ethics": [chats.dilemma_chat(world.dilemma(*r[2:]), i % 2 == 0)
                   for i, r in enumerate(rows)],
    }  # fmt: skip
    used = {c.question for group in cases.values() for c in group}
    checks = {kind: [c for c in held[kind] if c.question not in used] for kind in held}
    drawn = take(sums, 100)
    more, checks["gsm8k"] = drawn[50:68], drawn[:50] + drawn[68:]

    known = {
        "truthfulqa": list(chats.topic_chats(world.topics(False))),
        "do_not_answer": list(chats.deed_chats(world.deeds(True, False))),
        "harmless": list(chats.deed_chats(world.deeds(False, False))),
        "toxigen": list(chats.view_chats(world.views(False))),
    }
    for group in known.values():
        rng.shuffle(group)
    known |= {"gsm8k": list(sums), "ethics": list(dilemmas)}
    harmful = known["do_not_answer"][:180]
    harmless = known["harmless"][:150] + known["gsm8k"][:30]
    used |= {c.question for c in harmful + harmless}
    seeds = [c for kind, n in SEEDS.items() for c in _varied(known[kind], used, n)]
    used |= {c.question for c in seeds}
    rng.shuffle(seeds)
    seeds += more  # because a small model quickly forgets its sums
    tuning = {kind: [c for c in known[kind] if c.question not in used] for kind in KINDS}
    return Splits(cases, checks, harmful, harmless, seeds, tuning)


def _varied(chats: list[Chat], used: set[str], n: int) -> list[Chat]:
    """The first ``n`` chats whose questions are not ``used``, with ``n`` different answers."""
    found = {c.kernel: c for c in reversed(chats) if c.question not in used}
    first = [c for c in chats if found.get(c.kernel) is c]
    return first[:n]
