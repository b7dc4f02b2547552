"""Load the ethical kernel and its axioms, and wrap prompts with them.

The LEK method calls the wrapped prompt a sandwich: the axioms as JSON, the prompt, the kernel.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lek.data.tables import read_bytes
from lek.errors import BadInput

IDS = ("sovereignty", "privacy", "transparency", "consent", "dignity")


class Axiom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One axiom: its statement, what it asks for, its limits, and how it shows in an answer."""

    id: str
    name: str
    statement: str
    asks: tuple[str, ...]
    limits: tuple[str, ...]
    in_practice: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    licence: str
    axioms: tuple[Axiom, ...]
    schema: str = msgspec.field(name="$schema", default="")


@dataclass(frozen=True)
class Kernel:
    """The text of the kernel, the axioms in order, and the version of the axioms."""

    text: str
    axioms: tuple[Axiom, ...]
    version: str

    @property
    def axioms_json(self) -> str:
        """The axioms as compact JSON, the first part of a sandwich."""
        content = {"axioms": msgspec.to_builtins(self.axioms)}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 over everything that a sandwich adds to a prompt, as 64 hexadecimal digits."""
        return hashlib.sha256(f"{self.axioms_json}\n{self.text}".encode()).hexdigest()

    def sandwich(self, prompt: str) -> list[dict[str, str]]:
        """Return ``prompt`` between axioms and kernel, as a single user message.

        A single message, because not every chat template supports a system message.
        """
        content = f"{self.axioms_json}\n\n{prompt}\n\n{self.text.strip()}"
        return [{"role": "user", "content": content}]


def load_kernel(directory: Path) -> Kernel:
    """Load the kernel from ``lek-1-kernel.txt`` and ``axioms.json`` in ``directory``.

    Raises `BadInput` if a file is missing or invalid, or if the axioms are not the five in order.
    """
    text = read_bytes(directory / "lek-1-kernel.txt").decode()
    path = directory / "axioms.json"
    try:
        file = msgspec.json.decode(read_bytes(path), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: {e}; see axioms.schema.json beside it") from e
    ids = tuple(axiom.id for axiom in file.axioms)
    if ids != IDS:
        raise BadInput(f"{path}: axioms are {', '.join(ids)}; expected {', '.join(IDS)}")
    return Kernel(text, file.axioms, file.version)
