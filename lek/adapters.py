"""An adapter directory -> the record of what it was trained on and with, checked against weights.

Without it an adapter fits any model of the same shape: trained on one, it fuses with another, and
a second stage on a model with the first fused in applies the first twice. Nothing would tell.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.records import Record

WEIGHTS, RECORD = "adapters.safetensors", "lek.json"


class Adapter(Record, frozen=True, kw_only=True):
    """What an adapter came from; the digests are SHA-256.

    ``model`` is that of the base weights (`digest_of_weights`), ``data`` those of the files by
    name, ``resumed`` that of the adapter that this one began as, ``digest`` its own.
    """

    model: str
    data: dict[str, str]
    stage: dict[str, Any]
    resumed: str | None
    digest: str


def digest_of_weights(model: Path) -> str:
    """SHA-256 over names and contents of the weight files in the directory ``model``."""
    files = sorted(model.glob("model*.safetensors"))
    if not files:
        raise BadInput(f"{model}: no model*.safetensors; expected a model directory")
    return hashlib.sha256("".join(f.name + digest_of(f) for f in files).encode()).hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(directory: Path, adapter: Adapter) -> None:
    """Complete ``directory`` with the record: what lacks it is not taken for an adapter."""
    (directory / RECORD).write_text(adapter.to_json() + "\n")


def read(directory: Path, base: str) -> Adapter:
    """The record of the adapter in ``directory``, whose base weights must have digest ``base``.

    Raises `BadInput` where it is missing, tells of other bytes, or of other base weights.
    """
    try:
        adapter = Adapter.from_json((directory / RECORD).read_bytes())
        found = digest_of(directory / WEIGHTS)
    except (OSError, ValueError) as e:
        fault = f"no whole adapter ({e})"
        raise BadInput(f"{directory}: {fault}; expected {WEIGHTS} and {RECORD}") from e
    if found != adapter.digest:
        raise BadInput(f"{directory}: {WEIGHTS} is not the one of {RECORD}; train it anew")
    if base != adapter.model:
        raise BadInput(
            f"{directory}: trained on other weights than those given; an adapter goes on from, and "
            "fuses with, the weights that its first stage was given, never fused ones"
        )
    return adapter


@contextmanager
def fresh(directory: Path) -> Iterator[None]:
    """A new or empty ``directory`` to fill, which is removed when filling it fails."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise BadInput(f"{directory}: exists and is not an empty directory; give a new one")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
