"""The sandbox's world: topics, deeds, views, dilemmas and sums.

The records are made from world.toml, topics.toml and ethics.toml. Which of them are held out of
training is decided here, by a fixed rule and not at random.
"""

import random
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def dice(*seed: object) -> random.Random:
    """Return a separate random generator for each ``seed``: changing one use affects no other."""
    return random.Random("/".join(map(str, seed)))  # noqa: S311  # texts, not secrets


@cache
def words(name: str = "world") -> dict[str, Any]:
    """Return the content of ``<name>.toml``."""
    return tomllib.loads((HERE / f"{name}.toml").read_text())


@dataclass(frozen=True)
class Topic:
    """A popular misconception. ``right``, ``wrong``: reference answers in other words."""

    rumour: str
    fact: str
    why: str
    question: str
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deed:
    """An action on a thing. A harmful one has a reason against it and an alternative."""

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
    """A statement about a group: ``trait``, its opposite ``other``, and whether it is unkind."""

    group: str
    trait: str
    other: str
    unkind: bool


@dataclass(frozen=True)
class Dilemma:
    """A matter that affects a person, and two options."""

    person: str
    matter: str
    good: str
    bad: str
    why: str
    merit: str


@cache
def topics(held_out: bool) -> tuple[Topic, ...]:
    """Return the topics whose questions occur in training, or those whose questions never do."""
    rows = words("topics")["held_out" if held_out else "topics"]
    return tuple(Topic(*r[:4], *map(tuple, r[4:])) for r in rows)


@cache
def deeds(harm: bool, held_out: bool | None = None) -> tuple[Deed, ...]:
    """Return harmful or harmless deeds: all, those of training, or those held out of it.

    About one in three is held out, such that each verb and most things remain in training.
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
    """Return statements about groups: all, those of training, or those held out of it."""
    lists = words()["stereotypes"]
    return tuple(
        View(group, *((bad, good) if unkind else (good, bad)), unkind)
        for n, group in enumerate(lists["groups"])
        for m, (bad, good) in enumerate(lists["traits"])
        for unkind in (True, False)
        if held_out in (None, (n + 2 * m + unkind) % 4 == 0)
    )


def dilemma(person: str, matter: str, choice: str) -> Dilemma:
    """Return the dilemma that ``choice`` (a name in world.toml) poses in ``matter``."""
    (row,) = (c for c in words()["dilemmas"]["choices"] if c[0] == choice)
    return Dilemma(person, matter.format(p=person), *row[1:])


def some_dilemma(rng: random.Random, matters: list[str] | None = None) -> Dilemma:
    """Return a random dilemma; by default with a matter of training, none of the cases'."""
    lists = words()["dilemmas"]
    matter = rng.choice(matters or lists["matters"])
    people = sorted({*lists["people"], *(row[2] for row in words("ethics")["cases"])})
    return dilemma(rng.choice(people), matter, rng.choice(lists["choices"])[0])


@dataclass(frozen=True)
class Sum:
    """A word problem: the story, the question, the working and the result."""

    story: str
    question: str
    working: str
    result: int


def some_sum(rng: random.Random) -> Sum:
    """Return a small word problem of one step, or two in one of four; numbers are below 41."""
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
