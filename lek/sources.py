"""A module of this package -> the digest of its source and of all of the package that it imports.

What a model, an answer or a verdict was made by is part of its identity: when the code changes,
what it made before is not taken for what it would make now.
"""

import hashlib
import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r"^\s*(?:from (lek[\w.]*) import (\([^)]*\)|.*)|import (lek[\w.]+))", re.M)


@cache
def digest(module: str) -> str:
    """SHA-256 over ``module`` (such as ``judges/lexical.py``) and what it imports, transitively."""
    sha256, seen, waiting = hashlib.sha256(), set[Path](), [_HERE / module]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _imported(path.read_text(encoding="utf-8"))
    for path in sorted(seen):
        sha256.update(path.read_bytes())
    return sha256.hexdigest()


def _imported(text: str) -> list[Path]:
    """The files of the package that a source imports, at its top or further in."""
    found = []
    for package, names, plain in _IMPORT.findall(text):
        parts = (plain or package).split(".")[1:]
        places = [parts, *([*parts, name] for name in re.findall(r"\w+", names))]
        for place in places:
            file = _HERE.joinpath(*place)
            for path in (file.with_suffix(".py"), file / "__init__.py"):
                if place and path.is_file():
                    found.append(path)
    return found
