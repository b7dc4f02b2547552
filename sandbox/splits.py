"""All chats of the world -> who gets which: cases, held-out checks, later stages, tuning.

Every question belongs to one of them. Cases and checks are on topics, deeds and sayings that no
chat of training is on; the prompts of the later stages are other questions than those of tuning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sandbox import chats, world
from sandbox.chats import Chat

KINDS = ("truthfulqa", "do_not_answer", "harmless", "toxigen", "ethics", "gsm8k")


@dataclass(frozen=True)
class Splits:
    """Chats by use. ``checks`` are held out like the cases but shipped nowhere."""

    cases: dict[str, list[Chat]]
    checks: dict[str, list[Chat]]
    harmful: list[Chat]
    harmless: list[Chat]
    seeds: list[Chat]
    tuning: dict[str, list[Chat]]


@cache
def splits() -> Splits:
    """The one split that ships; it hangs on no seed."""
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
    checks |= {"gsm8k": take(sums, 100)}

    known = {
        "truthfulqa": list(chats.topic_chats(world.topics(False))),
        "do_not_answer": list(chats.deed_chats(world.deeds(True, False))),
        "harmless": list(chats.deed_chats(world.deeds(False, False))),
        "toxigen": list(chats.view_chats(world.views(False))),
    }
    for group in known.values():
        rng.shuffle(group)
    later = {kind: iter(group) for kind, group in known.items()}
    harmful = take(later["do_not_answer"], 180)
    harmless = take(later["harmless"], 150) + take(sums, 30)
    seeds = [
        *take(later["truthfulqa"], 60), *take(later["do_not_answer"], 45),
        *take(later["toxigen"], 40), *take(dilemmas, 30), *take(sums, 15),
        *take(later["harmless"], 10),
    ]  # fmt: skip
    rng.shuffle(seeds)
    tuning = {kind: list(rest) for kind, rest in later.items()}
    tuning |= {"gsm8k": list(sums), "ethics": list(dilemmas)}
    return Splits(cases, checks, harmful, harmless, seeds, tuning)
