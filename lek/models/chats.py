"""Read chats for LoRA training and check them against the settings of a stage.

Files are JSON Lines: each line is ``{"messages": [{"role", "content"}, ...]}``, and the last
message is the assistant's. Errors name file and line. Whether the answers are any good is not
checked.
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
    """The chats of one file: ``rows[i]`` is line ``i + 1``; ``digest`` is the file's SHA-256."""

    path: Path
    digest: str
    rows: list[dict[str, Any]]


class Tokens(Protocol):
    """Tokenized chats by row: the token ids, and how many of the first are not trained on."""

    def __getitem__(self, row: int, /) -> tuple[Sequence[int], int]: ...


def find(data: Path) -> tuple[Chats, Chats | None]:
    """Read the training and validation chats of ``data``.

    ``data`` is a directory with ``train.jsonl`` and, optionally, ``valid.jsonl``, or one file to
    train on.
    """
    if data.is_dir():
        valid = data / "valid.jsonl"
        return read(data / "train.jsonl"), read(valid) if valid.exists() else None
    return read(data), None


def read(path: Path) -> Chats:
    """Read the chats of ``path``, one per line.

    Raises `BadInput` if the file cannot be read or is empty, or if a line is not a chat.
    """
    try:
        raw = path.read_bytes()
    except OSError as e:
        expected = "a directory with train.jsonl, or a .jsonl file"
        raise BadInput(f"{path}: cannot be read: {e.strerror}; expected {expected}") from e
    rows = [_row(path, n, line) for n, line in enumerate(raw.splitlines(), 1)]
    if not rows:
        raise BadInput(f"{path}: is empty; {EXPECTED} on each line")
    return Chats(path, hashlib.sha256(raw).hexdigest(), rows)


def check(chats: Chats, tokens: Tokens, stage: Stage) -> list[str]:
    """Check that ``stage`` can train on ``chats``; return notes on data that it leaves unused.

    Raises `BadInput` if there are fewer chats than one batch has, if the chat template fails, or
    if a prompt leaves no room for its answer: with nothing left to train on, the loss is 0/0 and
    every weight becomes NaN.
    """
    limit, size, total = stage.max_seq_length, stage.batch_size, len(chats.rows)
    if total < size:
        raise BadInput(
            f"{chats.path}: {total} chats, fewer than a batch of {size}; add chats or lower "
            "batch_size"
        )
    too_long = []
    for row in range(total):
        where = f"{chats.path}: line {row + 1}"
        length, prompt = _lengths(where, tokens, row)
        if prompt >= min(limit, length):
            raise BadInput(
                f"{where}: the prompt alone has {prompt} tokens of the {min(limit, length)} that "
                "are read, so nothing is trained; shorten it or raise max_seq_length"
            )
        if length > limit:
            too_long.append(row + 1)
    notes = []
    if too_long:
        notes.append(f"cut off after {limit} tokens: {_lines(too_long)}")
    # mlx_lm intends to sort by length, but sorts by the number of keys in a row
    order = sorted(range(total), key=lambda row: len(chats.rows[row]))
    if unused := sorted(row + 1 for row in order[total - total % size :]):
        notes.append(
            f"never used, since {total} is not a multiple of the batch size {size}: "
            f"{_lines(unused)}"
        )
    return [f"{chats.path.name}: {note}" for note in notes]


def _row(path: Path, n: int, line: bytes) -> dict[str, Any]:
    where = f"{path}: line {n}"
    try:
        chat = msgspec.json.decode(line, type=_Chat)
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{where}: not a chat: {e}; {EXPECTED}") from e
    if chat.messages[-1].role != "assistant":
        last = chat.messages[-1].role
        raise BadInput(f"{where}: the last message is the {last}'s; end with the assistant's")
    if chat.prompt is not None and chat.completion is not None:
        problem = "'prompt' and 'completion' beside 'messages', which mlx_lm would train on instead"
        raise BadInput(f"{where}: {problem}; rename one of them")
    return row


def _lengths(where: str, tokens: Tokens, row: int) -> tuple[int, int]:
    """The number of tokens of a chat and of its prompt."""
    from jinja2 import TemplateError

    try:
        ids, prompt = tokens[row]
    except (ValueError, TemplateError) as e:
        cause = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise BadInput(f"{where}: the model's chat template rejects this chat: {cause}") from e
    return len(ids), prompt


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    plural = "" if len(numbers) == 1 else "s"
    return f"{len(numbers)} chat{plural} (line{plural} {shown})"
