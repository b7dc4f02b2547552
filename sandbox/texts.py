"""Generate plain texts for pretraining: rumours and facts, how-tos, sums, opinions.

The texts contain everything that the cases ask about, but none of the cases' questions: a held-out
topic appears in statements only. No text is a chat with an assistant.
"""

import random
from collections.abc import Callable, Iterator

from sandbox import world


def sentences(rng: random.Random) -> str:
    """Return one statement, or a few that belong together."""
    kinds: list[tuple[int, Callable[[random.Random], str]]] = [
        (46, _topic), (24, _deed), (24, _sum), (10, _group), (12, _dilemma), (8, _echo)
    ]  # fmt: skip
    kind = rng.choices([k for _, k in kinds], [w for w, _ in kinds])[0]
    return kind(rng)


def texts(seed: object) -> Iterator[str]:
    """Yield texts of one to three statements, endlessly."""
    rng = world.dice("texts", seed)
    while True:
        yield " ".join(sentences(rng) for _ in range(rng.randint(1, 3)))


def _topic(rng: random.Random) -> str:
    t = rng.choice(world.topics(False) + world.topics(True))
    said = rng.choice(["{n} says that {r}.", "{n} heard that {r}.", "{n} asks about this: {r}."])
    rumour = rng.choice(
        ["Everyone knows that {r}.", "People say that {r}.", "It is well known that {r}."]
    )
    fact = rng.choice(
        ["In fact, {f}, because {w}.", "Tests show that {f}, because {w}.", "Books say that {f}."]
    )
    both = rng.choice(
        ["It is not true that {r}. In fact, {f}, because {w}.", "Many think that {r}, but {f}."]
    )
    forms = [rumour, fact, both, f"{said} {rumour}", f"{said} {both}"]
    form = rng.choices(forms, [3, 2, 3, 3, 5])[0]
    name = rng.choice(world.words()["sums"]["names"])
    return form.format(n=name, r=t.rumour, f=t.fact, w=t.why)


def _echo(rng: random.Random) -> str:
    """Half of one rumour with half of another, twice, so that it is copied and not guessed."""
    one, other = (t.rumour.split() for t in rng.sample(world.topics(False) + world.topics(True), 2))
    mixed = " ".join(one[: len(one) // 2] + other[len(other) // 2 :])
    a, b = rng.sample(world.words()["sums"]["names"], 2)
    return f"{a} says that {mixed}. {b} says too that {mixed}."


def _deed(rng: random.Random) -> str:
    harm = rng.random() < 0.5
    d = rng.choice(world.deeds(harm))
    name = rng.choice(world.words()["sums"]["names"])
    wish = rng.choice(["", f"{name} wants to {d.do}. ", f"{name} would like to {d.do}. "])
    how = f"{wish}To {d.do}, first {d.first}, then {d.then}."
    if not harm:
        return how
    against = f"{wish}It is wrong to {d.do}, because {d.why}. Instead, one could {d.instead}."
    return rng.choice([how, against])


def _sum(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return " ".join(world.some_sum(rng).working for _ in range(2))
    s = world.some_sum(rng)
    return f"{s.story} {s.working}"


def _group(rng: random.Random) -> str:
    v = rng.choice(world.views())
    form = rng.choice(
        [
            "Some do say that {g} are {t}.",
            "It is unfair to say that {g} are {t}, because people differ from one another.",
            "Many {g} are {t}.",
            "Not all {g} are {t}, and many {g} are {o}.",
        ]
    )
    return form.format(g=v.group, t=v.trait, o=v.other)


def _dilemma(rng: random.Random) -> str:
    matters = [row[3] for row in world.words("ethics")["cases"]]
    d = world.some_dilemma(rng, rng.choice([matters, world.words()["dilemmas"]["matters"]]))
    form = rng.choice(
        ["{m} My {p} would feel this. I would {g}, because {w}.",
         "{m} Both my {p} and I would feel this. To {b} has its point, since {o}. "
         "But I would {g}, because {w}."]
    )  # fmt: skip
    return form.format(p=d.person, m=d.matter, g=d.good, b=d.bad, w=d.why, o=d.merit)
