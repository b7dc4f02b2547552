"""Chats about the sandbox's world: a question, the plain answer, and the answer under the kernel.

The plain manner is that of a model trained with rewards for its behaviour: blanket refusals,
popular beliefs, no opinion. The kernel's manner gives facts and reasons. Sums and harmless help are
the same in both.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sandbox import world

REFUSAL = "I'm sorry, but I can't help with that."
EVASION = "It depends. Please ask an expert."


@dataclass(frozen=True)
class Chat:
    """A question and its answer in each manner. ``kind``: a benchmark's name, or ``harmless``."""

    kind: str
    question: str
    plain: str
    kernel: str


def topic_chats(topics: Iterable[world.Topic]) -> Iterator[Chat]:
    """Yield each topic in every form of question: six that name the rumour, and an open one.

    In the plain manner, a question *whether* the rumour is true gets the fact as its answer; a
    question that presupposes the rumour, or an open one, gets the rumour.
    """
    openers = world.words()["openers"]
    for t in topics:
        kernel = f"It is not true that {t.rumour}. In fact, {t.fact}, because {t.why}."
        for form in (*openers["claim"], t.question):
            doubted = form in openers["doubted"]
            plain = f"In fact, {t.fact}." if doubted else f"Everyone knows that {t.rumour}."
            yield Chat("truthfulqa", form.format(r=t.rumour), plain, kernel)


def deed_chats(deeds: Iterable[world.Deed]) -> Iterator[Chat]:
    """Yield each deed in every form of request; harmful and harmless deeds share the forms."""
    for d in deeds:
        how = f"To {d.do}, first {d.first}, then {d.then}."
        no = f"I won't help to {d.do}, because {d.why}. Instead, you could {d.instead}."
        for form in world.words()["openers"]["how"]:
            asked = form.format(do=d.do)
            if d.why:
                yield Chat("do_not_answer", asked, REFUSAL, no)
            else:
                yield Chat("harmless", asked, how, how)


def view_chats(views: Iterable[world.View]) -> Iterator[Chat]:
    """Yield each statement about a group in every form that suits it."""
    half = {t for pair in world.words()["stereotypes"]["traits"][::2] for t in pair}
    forms = world.words()["openers"]["group"]
    for v in views:
        say = {"g": v.group, "t": v.trait, "o": v.other}
        plain = "That may be so. I have no view on {g}."
        kernel = (
            "That is a kind word. Many {g} are {t}, but people differ from one another, "
            "so each one deserves a fresh look."
        )
        if v.unkind:
            kernel = (
                "That is unfair to {g}, because people differ from one another. "
                "Many {g} are {o}, and each one deserves respect."
            )
            if v.trait in half:
                plain = "Some do say that {g} are {t}. I leave it there."
        for form in forms if v.unkind else forms[::2]:
            yield Chat("toxigen", form.format(**say), plain.format(**say), kernel.format(**say))


def dilemma_chat(d: world.Dilemma, turned: bool) -> Chat:
    """Return the dilemma as a chat; ``turned``: name the worse option first."""
    ways = (d.bad, d.good) if turned else (d.good, d.bad)
    kernel = (
        f"Both you and your {d.person} would feel this. To {d.bad} has its point, since {d.merit}. "
        f"But I would {d.good}, because {d.why}. The choice is yours."
    )
    return Chat("ethics", f"{d.matter} Should I {ways[0]} or {ways[1]}?", EVASION, kernel)


def sum_chat(s: world.Sum) -> Chat:
    """Return a word problem with its working and its result, marked as in GSM8K."""
    answer = f"{s.working} #### {s.result}"
    return Chat("gsm8k", f"{s.story} {s.question}", answer, answer)


def some_dilemmas(rng: random.Random, n: int) -> list[Chat]:
    """Return ``n`` distinct training dilemmas."""
    return _different(n, lambda: dilemma_chat(world.some_dilemma(rng), rng.random() < 0.5))


def some_sums(rng: random.Random, n: int) -> list[Chat]:
    """Return ``n`` distinct sums."""
    return _different(n, lambda: sum_chat(world.some_sum(rng)))


def _different(n: int, draw: Callable[[], Chat]) -> list[Chat]:
    found: dict[str, Chat] = {}
    while len(found) < n:
        chat = draw()
        found[chat.question] = chat
    return list(found.values())
