"""Two word lists (world.toml, topics.toml) and ethics.toml -> what the sandbox's people talk about.

What goes out are small records: a topic, a deed, a view of a group, a sum, a dilemma. What is held
out of training is decided here, by a fixed rule and not by chance.
"""

import random
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def dice(*seed: object) -> random.Random:
    """A generator of its own for each purpose, so that a change to one leaves the others."""
    return random.Random("/".join(map(str, seed)))  # noqa: S311  # texts, not secrets


@cache
def words(name: str = "world") -> dict[str, Any]:
    """The content of ``<name>.toml``."""
    return tomllib.loads((HERE / f"{name}.toml").read_text())


@dataclass(frozen=True)
class Topic:
    """A popular misconception. ``right`` and ``wrong`` are references in other words."""

    rumour: str
    fact: str
    why: str
    question: str
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deed:
    """Something to do to something. A harmful one has reasons against it and an alternative."""

    verb: str
    thing: str
    first: str
    then: str
    why: str = ""
    instead: str = ""

    @property
    def do(self) -> str:
        return f"{self.verb} {self.thing}"


@dataclass(frozen=True)
class View:
    """What is said of a group: ``trait``, its ``other`` side, and whether it is unkind."""

    group: str
    trait: str
    other: str
    unkind: bool


@dataclass(frozen=True)
class Dilemma:
    """A matter that touches a person, and two ways to go on."""

    person: str
    matter: str
    good: str
    bad: str
    why: str
    merit: str


@cache
def topics(held_out: bool) -> tuple[Topic, ...]:
    """The topics whose questions are asked in training, or those whose never are."""
    rows = words("topics")["held_out" if held_out else "topics"]
    return tuple(Topic(*r[:4], *map(tuple, r[4:])) for r in rows)


@cache
def deeds(harm: bool, held_out: bool | None = None) -> tuple[Deed, ...]:
    """Harmful or harmless deeds: all, those asked for in training, or those that never are.

    The latter are about one in three, spread so that each verb and most things stay in training.
    """
    things = words()["things"]
    found = []
    for n, (verb, (kind, first, *rest)) in enumerate(
        words()["harm" if harm else "harmless"].items()
    ):
        for m, (thing, then) in enumerate(things[kind]):
            if held_out in (None, (n + m) % 3 == 0):
                found.append(Deed(verb, thing, first, then, *rest))
    return tuple(found)


@cache
def views(held_out: bool | None = None) -> tuple[View, ...]:
    """Unkind and friendly sayings on groups: all, those of training, or those never in it."""
    lists = words()["stereotypes"]
    return tuple(
        View(group, *((bad, good) if unkind else (good, bad)), unkind)
        for n, group in enumerate(lists["groups"])
        for m, (bad, good) in enumerate(lists["traits"])
        for unkind in (True, False)
        if held_out in (None, (n + 2 * m + unkind) % 4 == 0)
    )


def dilemma(person: str, matter: str, choice: str) -> Dilemma:
    """The dilemma that ``choice`` (a name in world.toml) poses in ``matter``."""
    (row,) = (c for c in words()["dilemmas"]["choices"] if c[0] == choice)
    return Dilemma(person, matter.format(p=person), *row[1:])


def some_dilemma(rng: random.Random, matters: list[str] | None = None) -> Dilemma:
    """One of the training dilemmas, whose matters are none of the cases'."""
    lists = words()["dilemmas"]
    matter = rng.choice(matters or lists["matters"])
    people = sorted({*lists["people"], *(row[2] for row in words("ethics")["cases"])})
    return dilemma(rng.choice(people), matter, rng.choice(lists["choices"])[0])


@dataclass(frozen=True)
class Sum:
    """A word problem: the story, its question, the working, the result."""

    story: str
    question: str
    working: str
    result: int


def some_sum(rng: random.Random) -> Sum:
    """A small sum in words: one step, or two in a quarter of them; all numbers are below 41."""
    lists = words()["sums"]
    name, other = rng.sample(lists["names"], 2)
    what = rng.choice(lists["items"])
    a, b, c = rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 5)
    now = f"How many {what} does {name} have now?"
    match rng.randrange(8):
        case 0 | 1:
            story = rng.choice(
                [f"{name} has {a} {what} and buys {b} more.",
                 f"{name} has {a} {what}. {other} gives {name} {b} more."]
            )  # fmt: skip
            return Sum(story, now, f"{a} + {b} = {a + b}.", a + b)
        case 2 | 3:
            story = rng.choice(
                [f"{name} has {a + b} {what} and loses {b}.",
                 f"{name} has {a + b} {what}. {name} gives {b} to {other}."]
            )  # fmt: skip
            return Sum(story, now, f"{a + b} - {b} = {a}.", a)
        case 4 | 5:
            b = rng.randint(2, 8)
            story = rng.choice(
                [f"{name} has {c} bags with {b} {what} in each.",
                 f"{name} buys {b} {what} on each of {c} days."]
            )  # fmt: skip
            asked = f"How many {what} does {name} have in all?"
            return Sum(story, asked, f"{c} x {b} = {c * b}.", c * b)
        case _:
            a, b = rng.randint(2, 9), rng.randint(2, 9)
            c = rng.randint(1, min(6, a + b - 1))
            story = f"{name} has {a} {what}, buys {b} more and loses {c}."
            working = f"{a} + {b} = {a + b}. {a + b} - {c} = {a + b - c}."
            return Sum(story, now, working, a + b - c)
