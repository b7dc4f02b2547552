"""Texts that tokenizers must not change: words, code, digits, spaces, emoji, random characters."""

import random

ENGLISH = """
It is a truth that is seldom told: the river's light falls on bread, stone and water alike.
I'm sure they'll say we've 12 birds, 345 fishes and 67890 trees; isn't that what you'd expect?
def add(a, b):\n    return a + b\n\nfor i in range(10):\n\tprint(i, "x" * 3)
"""
TEXTS = [
    "",
    " ",
    "a  b   c",
    "  x\n\n\ty \r\n z ",
    "1 23 456 7890 3.14159",
    "It's I'LL we'Ve don't",
    "for (int i=0; i<10; i++) { s += a[i]; } // sum",
    "😀👍🏽 🏳️‍🌈 naïve café 日本語 한국어 हिन्दी العربية",
    "x" + 40 * " " + "y",
    "½ ² ٣ \u00a0\u2003\u200b e\u0301",
    "<0x0A> <|x|> Ġ",
]


def random_texts(count: int = 1000, seed: int = 0) -> list[str]:
    """Texts of words, digits, spaces, punctuation, emoji and random characters."""
    generator = random.Random(seed)  # noqa: S311
    words = ENGLISH.split()
    pools = [
        "0123456789",
        " \n\t\r",
        ".,;:!?'\"()[]{}<>=+-*/\\|&^%$#@~`_",
        "éßЖя中日ひ한हअ😀🎉👍🏽\u200d",
    ]

    def part() -> str:
        kind = generator.random()
        if kind < 0.4:
            return generator.choice(words) + generator.choice(["", " ", "  ", "\n"])
        if kind < 0.95:
            return generator.choice(generator.choice(pools))
        code = generator.randrange(1, 0x30000)
        return "" if 0xD800 <= code < 0xE000 else chr(code)  # surrogates are no text

    return ["".join(part() for _ in range(generator.randint(1, 40))) for _ in range(count)]
