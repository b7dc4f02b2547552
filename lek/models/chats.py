"""JSON Lines of chats -> the chats, and what a LoRA stage would do to them: every fault by line.

A chat is ``{"messages": [{"role", "content"}, ...]}`` whose last message is the assistant's.
What is not covered: whether the answers are any good.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec

from lek.errors import BadInput
from lek.profile.schema import Stage

EXPECTED = 'expected {"messages": [{"role": ..., "content": ...}, ...]}'


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, msgspec.Meta(min_length=1)]


class _Chat(msgspec.Struct):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=2)]
    prompt: Any = None
    completion: Any = None


@dataclass(frozen=True)
class Chats:
    """The chats of one file, row ``i`` from line ``i + 1``, with the SHA-256 of the file."""

    path: Path
    digest: str
    rows: list[dict[str, Any]]


class Tokens(Protocol):
    """Row -> the tokens of that chat, and how many of them at the start are not trained."""

    def __getitem__(self, row: int, /) -> tuple[Sequence[int], int]: ...


def find(data: Path) -> tuple[Chats, Chats | None]:
    """The training and validation chats of ``data``: a directory, or one file to train on."""
    if data.is_dir():
        valid = data / "valid.jsonl"
        return read(data / "train.jsonl"), read(valid) if valid.exists() else None
    return read(data), None


def read(path: Path) -> Chats:
    """The chats of ``path``, one a line; raises `BadInput` for a line that holds none."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        wanted = "a directory with train.jsonl, or a .jsonl file"
        raise BadInput(f"{path}: cannot be read: {e.strerror}; expected {wanted}") from e
    rows = [_row(path, n, line) for n, line in enumerate(raw.splitlines(), 1)]
    if not rows:
        raise BadInput(f"{path}: is empty; {EXPECTED} on each line")
    return Chats(path, hashlib.sha256(raw).hexdigest(), rows)


def check(chats: Chats, tokens: Tokens, stage: Stage) -> list[str]:
    """Refuse chats that ``stage`` cannot learn from, and tell what it will leave unused.

    Raises `BadInput` where there are fewer chats than a batch has, where the chat template fails,
    and where the prompt leaves no room for the answer: with nothing left to train, the loss is
    0/0 and every weight becomes NaN.
    """
    limit, size, total = stage.max_seq_length, stage.batch_size, len(chats.rows)
    if total < size:
        raise BadInput(f"{chats.path}: {total} chats, fewer than a batch of {size}; add some")
    long = []
    for row in range(total):
        where = f"{chats.path}: line {row + 1}"
        length, prompt = _lengths(where, tokens, row)
        if prompt >= min(limit, length):
            raise BadInput(
                f"{where}: the prompt alone has {prompt} tokens of the {min(limit, length)} that "
                "are read, so nothing is trained; shorten it or raise max_seq_length"
            )
        if length > limit:
            long.append(row + 1)
    notes = []
    if long:
        notes.append(f"cut off after {limit} tokens: {_lines(long)}")
    # mlx_lm means to sort by length, but sorts by the number of keys in a row
    order = sorted(range(total), key=lambda row: len(chats.rows[row]))
    if rest := sorted(row + 1 for row in order[total - total % size :]):
        notes.append(f"never used, since {total} is no multiple of {size}: {_lines(rest)}")
    return [f"{chats.path.name}: {note}" for note in notes]


def _row(path: Path, n: int, line: bytes) -> dict[str, Any]:
    where = f"{path}: line {n}"
    try:
        chat = msgspec.json.decode(line, type=_Chat)
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{where}: no chat: {e}; {EXPECTED}") from e
    if chat.messages[-1].role != "assistant":
        last = chat.messages[-1].role
        raise BadInput(f"{where}: the last message is the {last}'s; end with the assistant's")
    if chat.prompt is not None and chat.completion is not None:
        fault = "'prompt' and 'completion' beside 'messages', which mlx_lm would train on instead"
        raise BadInput(f"{where}: {fault}; rename one of them")
    return row


def _lengths(where: str, tokens: Tokens, row: int) -> tuple[int, int]:
    from jinja2 import TemplateError

    try:
        ids, prompt = tokens[row]
    except (ValueError, TemplateError) as e:
        fault = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise BadInput(f"{where}: the model's chat template cannot write this: {fault}") from e
    return len(ids), prompt


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} of the chats (line {shown})"
