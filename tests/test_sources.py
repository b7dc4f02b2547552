"""The digest of a module covers all of the package that it runs."""

import ast
from pathlib import Path

import pytest

from conftest import ROOT
from lek import sources

LEK = ROOT / "lek"


def imported(path: Path) -> set[Path]:
    """What a module imports, as Python reads it."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        for name in names:
            if name.startswith("lek."):
                place = LEK.joinpath(*name.split(".")[1:])
                options = (place.with_suffix(".py"), place / "__init__.py")
                found |= {p for p in options if p.is_file()}
    return found


@pytest.mark.parametrize("path", sorted(LEK.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_are_read_as_python_reads_them(path: Path) -> None:
    found = set(sources._imported(path.read_text()))
    assert imported(path) <= found
    assert found - imported(path) <= {LEK / "__init__.py"}


def test_a_change_further_down_changes_the_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "a.py").write_text("from lek import b\n")
    (tmp_path / "b.py").write_text("from lek.c import (\n    one,\n    two,\n)\n")
    (tmp_path / "c.py").write_text("x = 1\n")
    monkeypatch.setattr(sources, "_HERE", tmp_path)
    whole = sources.digest.__wrapped__("judges/a.py")
    (tmp_path / "d.py").write_text("x = 1\n")
    assert sources.digest.__wrapped__("judges/a.py") == whole
    (tmp_path / "c.py").write_text("x = 2\n")
    assert sources.digest.__wrapped__("judges/a.py") != whole
