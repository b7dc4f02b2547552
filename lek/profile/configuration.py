"""The pytest configuration of a directory: its file, and the profile that it names.

Read without pytest, so that the command `lek` can use it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iniconfig import IniConfig, ParseError

from lek.errors import BadInput

KEY = "lek_profile"
# In the order of pytest, which uses the first file that has one of these tables. Files named
# after pytest need none.
_TABLES: Mapping[str, tuple[str, ...]] = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest.ini_options", "tool.pytest"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}


@dataclass(frozen=True)
class Configuration:
    """The file that configures pytest in a directory.

    ``table``: the table or section of pytest's options. ``profile``: the value of ``lek_profile``
    there, or ``None``.
    """

    file: Path
    table: str
    profile: str | None

    def line(self, profile: str) -> str:
        """The line that sets ``lek_profile`` to ``profile``."""
        quote = '"' if self.file.suffix == ".toml" else ""
        return f"{KEY} = {quote}{profile}{quote}"


def find_configuration(directory: Path) -> Configuration | None:
    """Return the configuration that pytest uses in ``directory``, or ``None`` if there is none.

    Directories above it are not searched. Raises `BadInput` if a file cannot be read.
    """
    for name, tables in _TABLES.items():
        file = directory / name
        if not file.is_file():
            continue
        content = _read(file)
        table = next((t for t in tables if t in content), None)
        if table is None and "pytest" in file.stem:
            table = tables[0]
        if table is not None:
            profile = content.get(table, {}).get(KEY)
            return Configuration(file, table, str(profile) if profile else None)
    return None


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The tables in which pytest's options may stand, by the name that `_TABLES` gives them."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".toml":
            return {section.name: dict(section.items()) for section in IniConfig(str(file), text)}
        document = tomllib.loads(text)
    except OSError as e:
        raise BadInput(f"{file}: cannot be read: {e.strerror or e}") from e
    except ParseError as e:
        raise BadInput(f"{file}: line {e.lineno + 1}: {e.msg}; correct the line") from e
    except ValueError as e:  # not UTF-8, or not TOML
        raise BadInput(f"{file}: {e}; correct the file") from e
    tool = document.get("tool")
    shared = tool.get("pytest") if isinstance(tool, dict) else None
    native = dict(shared) if isinstance(shared, dict) else {}
    tables = {
        "pytest": document.get("pytest"),
        "tool.pytest.ini_options": native.pop("ini_options", None),
    }
    tables["tool.pytest"] = native or None
    return {name: table for name, table in tables.items() if isinstance(table, dict)}
