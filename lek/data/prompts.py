"""Read files of prompts, for the sandwich and for abliteration."""

import json
from pathlib import Path
from typing import Any

from lek.data.jsonl import read_rows
from lek.errors import BadInput


def read_prompts(path: Path) -> dict[str, str]:
    """Read prompts, by id, from a file or from all ``.json`` and ``.jsonl`` files of a directory.

    A ``.jsonl`` file has an object with ``id`` and ``prompt`` on each line; a ``.json`` file is a
    list of such objects. Raises `BadInput`, with file and position, for anything else, and for a
    repeated id.
    """
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in (".json", ".jsonl"))
        if not files:
            raise BadInput(f"{path}: no .json or .jsonl file of prompts; add one")
    prompts: dict[str, str] = {}
    for file in files:
        for where, row in _rows(file):
            identity, prompt = row.get("id"), row.get("prompt")
            if not (isinstance(identity, str) and isinstance(prompt, str) and prompt.strip()):
                raise BadInput(f'{where}: expected an object with the texts "id" and "prompt"')
            if identity in prompts:
                raise BadInput(f"{where}: id {identity} occurs twice; rename one")
            prompts[identity] = prompt
    if not prompts:
        raise BadInput(f"{path}: no prompts; give at least one")
    return prompts


def _rows(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """The objects of one file, each with its position for error messages."""
    if file.suffix == ".jsonl":
        return [(f"{file}: line {row.line}", row.fields) for row in read_rows(file).rows]
    try:
        content = json.loads(file.read_bytes())
    except OSError as e:
        raise BadInput(f"{file}: cannot be read: {e.strerror}") from e
    except ValueError as e:
        raise BadInput(f"{file}: not JSON: {e}") from e
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise BadInput(f"{file}: expected a list of objects with id and prompt")
    return [(f"{file}: entry {i}", row) for i, row in enumerate(content, 1)]
