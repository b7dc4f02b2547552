"""Read the examples for LoRA training and check them against the settings of a stage.

Files are JSON Lines in one of the forms that mlx_lm reads: chats, ``{"messages": [{"role",
"content"}, ...]}`` with the assistant's message last; ``{"prompt", "completion"}``, which are the
two messages of a chat; or ``{"text"}``, to which the chat template is not applied. All lines of a
file have the same form. Errors name file and line. Whether the answers are any good is not checked.
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
from lek.text.encoding import decode, unpack

EXPECTED = (
    'expected {"messages": [{"role": ..., "content": ...}, ...]}, '
    '{"prompt": ..., "completion": ...} or {"text": ...}'
)
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: _Text


class _Chat(msgspec.Struct):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=2)]
    prompt: Any = None
    completion: Any = None


class _Completion(msgspec.Struct):
    prompt: _Text
    completion: _Text


class _TextOnly(msgspec.Struct):
    text: _Text


@dataclass(frozen=True)
class Form:
    """A form of examples: its name, the keys of a line, and the type that checks them."""

    name: str
    keys: tuple[str, ...]
    type: type[msgspec.Struct]


CHAT = Form("chat", ("messages",), _Chat)
COMPLETION = Form("completion", ("prompt", "completion"), _Completion)
TEXT = Form("text", ("text",), _TextOnly)


@dataclass(frozen=True)
class Chats:
    """The examples of one file: ``rows[i]`` is line ``i + 1``; ``digest`` is the file's SHA-256."""

    path: Path
    digest: str
    form: Form
    rows: list[dict[str, Any]]

    def dataset(self, tokenizer: Any, *, mask_prompt: bool) -> Any:
        """Return the examples as a dataset of mlx_lm, which tokenizes each one at first use."""
        from mlx_lm.tuner import datasets

        if self.form is CHAT:
            data: Any = datasets.ChatDataset(self.rows, tokenizer, mask_prompt=mask_prompt)
        elif self.form is COMPLETION:
            data = datasets.CompletionsDataset(self.rows, tokenizer, *self.form.keys, mask_prompt)
        else:
            data = datasets.TextDataset(self.rows, tokenizer)
        return datasets.CacheDataset(data)

    def prompt(self, row: int, tokenizer: Any) -> Sequence[int]:
        """Return the token ids of the prompt of ``row`` as they are when a model answers it."""
        example = self.rows[row]
        if self.form is COMPLETION:
            messages = [{"role": "user", "content": example["prompt"]}]
        else:
            messages = example["messages"][:-1]
        ids: Sequence[int] = tokenizer.apply_chat_template(
            messages, tools=example.get("tools"), add_generation_prompt=True, return_dict=False
        )
        return ids


class Tokens(Protocol):
    """Tokenized examples by row: the token ids, and how many of the first are not trained on."""

    def __getitem__(self, row: int, /) -> tuple[Sequence[int], int]: ...


def find(data: Path) -> tuple[Chats, Chats | None]:
    """Read the training and validation examples of ``data``.

    ``data`` is a directory with ``train.jsonl`` and, optionally, ``valid.jsonl``, or one file to
    train on.
    """
    if data.is_dir():
        valid = data / "valid.jsonl"
        return read(data / "train.jsonl"), read(valid) if valid.exists() else None
    return read(data), None


def read(path: Path) -> Chats:
    """Read the examples of ``path``, one per line, in the form of the first line.

    Raises `BadInput` if the file cannot be read or is empty, or if a line does not have that form.
    """
    try:
        raw = path.read_bytes()
    except OSError as e:
        expected = "a directory with train.jsonl, or a .jsonl file"
        raise BadInput(f"{path}: cannot be read: {e.strerror}; expected {expected}") from e
    try:
        lines = decode(unpack(raw)).encode().splitlines()
    except ValueError as e:
        raise BadInput(f"{path}: {e}") from e
    if not lines:
        raise BadInput(f"{path}: is empty; {EXPECTED} on each line")
    form = _form(path, lines[0])
    rows = [_row(path, n, line, form) for n, line in enumerate(lines, 1)]
    return Chats(path, hashlib.sha256(raw).hexdigest(), form, rows)


def check_form(chats: Chats, stage: Stage) -> None:
    """Raise `BadInput` if the examples do not suit ``stage``, as far as is known without a model.

    If they are fewer than a batch, or are texts, which have no prompt that could be masked.
    """
    total, size = len(chats.rows), stage.batch_size
    if total < size:
        raise BadInput(
            f"{chats.path}: {total} examples, fewer than a batch of {size}; add some, or "
            "lower batch_size"
        )
    if stage.mask_prompt and chats.form is TEXT:
        raise BadInput(
            f"{chats.path}: texts have no prompt that could be masked; give lora.mask_prompt = "
            "false, or prompts with completions"
        )


def check_layers(stage: Stage, layers: int) -> None:
    """Raise `BadInput` if ``stage`` adapts more layers than the model has."""
    if stage.layers != -1 and not 0 < stage.layers <= layers:
        raise BadInput(
            f"layers = {stage.layers}: the model has {layers}; give 1 to {layers}, or -1 for all"
        )


def check(chats: Chats, tokens: Tokens, tokenizer: Any, stage: Stage) -> list[str]:
    """Check that ``stage`` can train on ``chats``; return notes on data that it leaves unused.

    ``tokens``: the dataset of ``chats``. Raises `BadInput` if there are fewer examples than one
    batch has, if the chat template fails, if a masked prompt is not the beginning of its chat, or
    if a prompt leaves no room for its answer: with nothing left to train on, the loss is 0/0 and
    every weight becomes NaN.
    """
    from jinja2 import TemplateError

    limit, size, total = stage.max_seq_length, stage.batch_size, len(chats.rows)
    check_form(chats, stage)
    too_long = []
    for row in range(total):
        where = f"{chats.path}: line {row + 1}"
        try:
            ids, prompt = tokens[row]
            beginning = chats.prompt(row, tokenizer) if stage.mask_prompt else []
        except (ValueError, TemplateError) as e:
            cause = (str(e).strip() or type(e).__name__).splitlines()[0]
            raise BadInput(
                f"{where}: the model's chat template rejects this example: {cause}"
            ) from e
        _check_beginning(where, beginning, ids, tokenizer)
        length = len(ids)
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


def _form(path: Path, line: bytes) -> Form:
    """The form of a file, from its first line."""
    try:
        first = msgspec.json.decode(line, type=dict[str, Any])
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{path}: line 1: not an example: {e}; {EXPECTED}") from e
    for form in (CHAT, COMPLETION, TEXT):
        if all(first.get(key) is not None for key in form.keys):
            return form
    raise BadInput(f"{path}: line 1: has the keys {', '.join(first) or 'none'}; {EXPECTED}")


def _row(path: Path, n: int, line: bytes, form: Form) -> dict[str, Any]:
    where = f"{path}: line {n}"
    try:
        example = msgspec.json.decode(line, type=form.type)
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{where}: not a {form.name}: {e}; {EXPECTED}") from e
    if isinstance(example, _Chat):
        if example.messages[-1].role != "assistant":
            last = example.messages[-1].role
            raise BadInput(f"{where}: the last message is the {last}'s; end with the assistant's")
        if example.prompt is not None and example.completion is not None:
            problem = "'prompt' and 'completion' beside 'messages'"
            raise BadInput(
                f"{where}: {problem}, which mlx_lm would train on instead; rename one of them"
            )
    return row


def _check_beginning(where: str, prompt: Sequence[int], ids: Sequence[int], tokenizer: Any) -> None:
    """Raise `BadInput` unless a chat begins with its prompt, both given as token ids.

    Templates that open a thought at the end of a prompt leave it out of a finished chat. mlx_lm
    masks as many tokens as the prompt has, whichever they are.
    """
    if list(ids[: len(prompt)]) == list(prompt):
        return
    pairs = zip(prompt, ids, strict=False)
    equal = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(prompt), len(ids)))
    asked, trained = (tokenizer.decode(list(x[equal : equal + 8])) for x in (prompt, ids))
    raise BadInput(
        f"{where}: the chat template continues the prompt with {asked!r} when the model is asked, "
        f"but with {trained!r} in the finished chat, so mask_prompt would not end where the answer "
        "begins; give lora.mask_prompt = false, or correct the template"
    )


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    plural = "" if len(numbers) == 1 else "s"
    return f"{len(numbers)} example{plural} (line{plural} {shown})"
