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
    docstrings, annotations, messages (of exceptions, notes and progress), imports from within the
    package, and the names of the files. Of a file that is not Python source, all bytes count.
    """
    sources = {file: (package / file).read_bytes() for file in files}
    trees = {
        file: _WithoutMessages().visit(ast.parse(raw))
        for file, raw in sources.items()
        if file.endswith(".py")
    }
    _remove_unused(list(trees.values()))
    sha256 = hashlib.sha256()
    for file, raw in sources.items():
        part = repr(_computation(trees[file])).encode() if file in trees else raw
        sha256.update(hashlib.sha256(part).digest())
    return sha256.hexdigest()


class _WithoutMessages(ast.NodeTransformer):
    """Removes the arguments of exceptions and of notes, and the labels of progress."""

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=raised, cause=None)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="notes"), attr="append"):
                node.args = []
            case ast.Name(id=name) | ast.Attribute(attr=name) if name.strip("_") == "progress":
                node.args = [arg for arg in node.args if not _is_text(arg)]
        node.keywords = [k for k in node.keywords if not (k.arg == "what" and _is_text(k.value))]
        return node


def _is_text(node: ast.AST | None) -> bool:
    """Whether an expression is a text, possibly formatted."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
            return _is_text(left) and _is_text(right)
    return False


def _remove_unused(trees: list[ast.Module]) -> None:
    """Remove variables that hold a text and private functions, if only messages used them."""
    while True:
        nodes = [node for tree in trees for node in ast.walk(tree)]
        used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        used |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
        removed = False
        for node in nodes:
            body = getattr(node, "body", None)
            if isinstance(body, list):
                kept = [statement for statement in body if not _is_unused(statement, used)]
                removed |= len(kept) < len(body)
                node.body = kept  # type: ignore[attr-defined]  # it has one
        if not removed:
            return


def _is_unused(statement: ast.stmt, used: set[str]) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name not in used and _is_text(value)
        case ast.FunctionDef(name=name):
            return name not in used and name.startswith("_") and not name.endswith("__")
    return False


def _computation(node: Any) -> Any:
    """``node`` of a syntax tree as nested tuples, without what cannot affect a result."""
    if isinstance(node, list):
        return tuple(_computation(n) for n in node if not _is_inert(n))
    if not isinstance(node, ast.AST):
        return node
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
