"""Fingerprints of source code that ignore messages, comments and file names.

The key of a model or an answer contains the fingerprint of the code that made it, so that results
of old code are never reused after a change. A fingerprint covers only files that affect the
result, and in them only what affects the result.
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
    """SHA-256 over the computation in ``files``, as hexadecimal digits.

    ``files`` are relative to ``package``, such as ``models/lora.py``. Ignores comments, layout,
    docstrings, annotations, messages of exceptions, imports from within the package, and the names
    of the files. Of a file that is not Python source, all bytes count.
    """
    sha256 = hashlib.sha256()
    for file in files:
        raw = (package / file).read_bytes()
        part = repr(_computation(ast.parse(raw))).encode() if file.endswith(".py") else raw
        sha256.update(hashlib.sha256(part).digest())
    return sha256.hexdigest()


def _computation(node: Any) -> Any:
    """``node`` of a syntax tree as nested tuples, without what cannot affect a result."""
    if isinstance(node, list):
        return tuple(_computation(n) for n in node if not _is_inert(n))
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return "Raise", _computation(raised)
    if isinstance(node, ast.Constant):
        return "Constant", repr(node.value)
    # empty fields are left out, because later versions of Python add more of them
    fields = (
        (name, _computation(value))
        for name, value in ast.iter_fields(node)
        if value and name not in _NOT_COMPUTED
    )
    return type(node).__name__, *fields


def _is_inert(node: Any) -> bool:
    """Whether a statement cannot affect a result: a docstring or an import from the package."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "lek"
    if isinstance(node, ast.Import):
        return all(alias.name.split(".")[0] == "lek" for alias in node.names)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
