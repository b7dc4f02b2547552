"""Separate what a model thinks from what it answers."""

import re
from typing import NamedTuple

START, END = "<think>", "</think>"  # of models whose tokenizer has no other marks


class Parts(NamedTuple):
    """The ``thought`` in a text, without its marks, and the ``answer`` outside of it.

    ``thought`` is ``None`` if there is none, ``answer`` if the thought has no end.
    """

    thought: str | None
    answer: str | None


def split(text: str, start: str = START, end: str = END, *, is_open: bool = False) -> Parts:
    """Separate the thoughts in ``text`` from the answer.

    A thought stands between the marks ``start`` and ``end``, or before an ``end`` without a
    ``start``. ``is_open``: whether the prompt ended with ``start``. A ``start`` without an ``end``
    opens a thought only if no answer comes before it; elsewhere it is part of the answer.
    """
    thoughts: list[str] = []
    first = text.find(start)
    lone = text.find(end)
    if lone >= 0 and (is_open or not 0 <= first < lone):
        thoughts.append(text[:lone].strip().removeprefix(start))
        text = text[lone + len(end) :]
    elif is_open:
        return Parts(text.strip().removeprefix(start).strip(), None)

    def take(match: re.Match[str]) -> str:
        thoughts.append(match[1])
        return ""

    answer = re.sub(f"{re.escape(start)}(.*?){re.escape(end)}", take, text, flags=re.DOTALL)
    if answer.lstrip().startswith(start):
        thoughts.append(answer.lstrip().removeprefix(start))
        return Parts(_joined(thoughts), None)
    return Parts(_joined(thoughts), answer.strip()) if thoughts else Parts(None, text)


def _joined(thoughts: list[str]) -> str:
    return "\n".join(filter(None, (t.strip() for t in thoughts)))
