"""Fingerprints of source code: what a file computes, whatever its messages, comments and place.

What made a model or an answer is part of its key, so that a change of the code is never answered
with what the old code made. A key covers the files that compute, and of these only what computes.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent
_NOT_COMPUTED = ("annotation", "returns", "type_comment", "ctx")


@cache
def code_digest(*files: str, package: Path = PACKAGE) -> str:
    """SHA-256 over what ``files`` (relative to ``package``, such as ``models/lora.py``) compute.

    Comments, layout, docstrings, annotations, the messages of exceptions and imports from within
    the package do not count, and neither do the names of the files. A file that is no Python
    source counts with all of its bytes.
    """
    sha256 = hashlib.sha256()
    for file in files:
        raw = (package / file).read_bytes()
        part = repr(_computation(ast.parse(raw))).encode() if file.endswith(".py") else raw
        sha256.update(hashlib.sha256(part).digest())
    return sha256.hexdigest()


def _computation(node: Any) -> Any:
    """``node`` of a syntax tree as nested tuples, without what does not change a result."""
    if isinstance(node, list):
        return tuple(_computation(n) for n in node if not _is_inert(n))
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return "Raise", _computation(raised)
    if isinstance(node, ast.Constant):
        return "Constant", repr(node.value)
    # fields that are empty are left out: later versions of Python have more of them
    fields = (
        (name, _computation(value))
        for name, value in ast.iter_fields(node)
        if value and name not in _NOT_COMPUTED
    )
    return type(node).__name__, *fields


def _is_inert(node: Any) -> bool:
    """Whether a statement computes nothing: a docstring, or an import from within the package."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "lek"
    if isinstance(node, ast.Import):
        return all(alias.name.split(".")[0] == "lek" for alias in node.names)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
