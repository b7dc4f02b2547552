"""Markdown (CommonMark and GitHub's tables) in which texts of a run are shown as they are."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from lek.errors import printable

# what begins markup, or a link of GitHub's: an address, a mention, a reference to an issue
_MARKUP = re.compile(r"[\\`*_\[\]|~$#!@]|(?<=:)/(?=/)|(?<=[wW])\.")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def literal(text: object) -> str:
    """``text`` on one line, escaped so that it contains no markup, HTML or link."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text)).translate(_HTML)


def one_line(text: object) -> str:
    """``text`` on one line, with control and invisible characters as escapes."""
    return printable(" ".join(str(text).split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table with these texts in its cells."""
    head, *body = ([literal(cell) for cell in row] for row in (header, *rows))
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]


def json_block(value: Any) -> list[str]:
    """The lines of a code block with ``value`` as JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    for character in "<>&`":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return ["```json", *map(printable, text.splitlines()), "```"]
