"""Read files of prompts, for the sandwich and for abliteration."""

from pathlib import Path

from lek.data.sources import read_files
from lek.errors import BadInput


def read_prompts(path: Path) -> dict[str, str]:
    """Read prompts, by id, from a table with ``id`` and ``prompt``, or a directory of tables.

    Raises `BadInput`, with file and position, for anything else, and for a repeated id.
    """
    table = read_files(path)
    prompts: dict[str, str] = {}
    for row in table.rows:
        where = f"{table.name}: {row.place}"
        identity, prompt = row.fields.get("id"), row.fields.get("prompt")
        identity = str(identity) if type(identity) is int else identity
        if not (isinstance(identity, str) and isinstance(prompt, str) and prompt.strip()):
            raise BadInput(f'{where}: expected an object with the texts "id" and "prompt"')
        if identity in prompts:
            raise BadInput(f"{where}: id {identity} occurs twice; rename one")
        prompts[identity] = prompt
    if not prompts:
        raise BadInput(f"{path}: no prompts; give at least one")
    return prompts
