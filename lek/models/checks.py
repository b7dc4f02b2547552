"""Checks of a model, before anything is built or generated.

They find what would fail, or pass silently, after a long time: missing or cut-off weights, pointers
of git-lfs instead of files, no tokenizer, no chat template or one that rejects the prompts, an
unknown architecture, training data that do not fit. `check_model` reads files alone; `try_model`
uses the model's own loader and tokenizer, but no weights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.models import chats
from lek.models.architectures import architecture
from lek.models.chat_template import render
from lek.models.weights import LFS, Loaded, header_of, read_config
from lek.profile.schema import Stage

_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".msgpack", ".h5")


def check_model(
    directory: Path, *, chat: bool, abliterated: bool = False, weights: bool = True
) -> None:
    """Raise `BadInput` if the files in ``directory`` are not a model that mlx_lm can load.

    ``chat``: whether it needs a chat template. ``abliterated``: whether a subject is made from it
    by abliteration, which not every architecture allows. ``weights``: whether the files of weights
    are there.
    """
    config = read_config(directory)
    kind = config["model_type"]
    found = architecture(kind) if isinstance(kind, str) else None
    if found is None:
        raise BadInput(f"{directory}: mlx_lm has no architecture '{kind}'; give another model")
    if abliterated and (reason := found.why_not_abliterated(config)) is not None:
        raise BadInput(
            f"{directory}: cannot be abliterated, because architecture '{kind}' {reason}; delete "
            "the subject with abliterate, or give another model"
        )
    for file in _weights(directory) if weights else ():
        if not header_of(file):
            raise BadInput(f"{file}: contains no weights; download or build the model again")
    _check_tokenizer(directory)
    if chat and not _has_template(directory):
        raise BadInput(
            f'{directory}: no chat template; give an instruction-tuned model, or prompt = "plain"'
        )


@dataclass(frozen=True)
class Uses:
    """What subjects need of a model.

    ``prompts``: the system message (or ``None``) of each subject that is asked by the chat
    template. ``thinking``: given to the template. ``stages``: the LoRA stages on the model, each
    with its files of examples.
    """

    prompts: tuple[str | None, ...]
    thinking: bool | None
    stages: tuple[tuple[Stage, tuple[chats.Chats, ...]], ...]


_PROMPT = "What is 7 + 5?"


def try_model(loaded: Loaded, uses: Uses, directory: Path) -> None:
    """Raise `BadInput` if the model ``loaded`` does not serve the subjects made from it.

    It may be lazily loaded; ``directory`` names it in errors. A prompt is rendered as each subject
    is asked, and all training examples are tokenized.
    """
    tokenizer = loaded.tokenizer
    ids = tokenizer.encode(_PROMPT, add_special_tokens=False)
    if not {"7", "5"} <= set(tokenizer.decode(ids)):
        raise BadInput(
            f"{directory}: the tokenizer does not encode text: {_PROMPT!r} becomes "
            f"{tokenizer.decode(ids)!r}; copy all files of the tokenizer to the model"
        )
    for system in uses.prompts:
        message = {"role": "user", "content": _PROMPT}
        messages = [message] if system is None else [{"role": "system", "content": system}, message]
        if _PROMPT not in render(tokenizer, messages, thinking=uses.thinking, directory=directory):
            raise BadInput(f"{directory}: its chat template omits the prompt; correct it")
    for stage, files in uses.stages:
        chats.check_layers(stage, len(loaded.model.layers))
        for file in files:
            dataset = file.dataset(tokenizer, mask_prompt=stage.mask_prompt)
            chats.check(file, dataset, tokenizer, stage)


def _weights(directory: Path) -> Sequence[Path]:
    """The files of weights that mlx_lm loads; those of an index must all be there."""
    index = directory / "model.safetensors.index.json"
    files = sorted(f for f in directory.glob("model*.safetensors") if f.is_file())
    if index.is_file():
        listed = sorted({directory / str(name) for name in _shards(index)})
        missing = [file.name for file in listed if not file.is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise BadInput(f"{directory}: {missing[0]}{more} missing; download the model again")
        return listed
    if not files:
        others = sorted(f.name for f in directory.iterdir() if f.suffix in _OTHER_WEIGHTS)
        found = f"only {others[0]}, which is not read; convert" if others else "add or convert"
        raise BadInput(f"{directory}: no model*.safetensors; {found} the weights")
    return files


def _shards(index: Path) -> list[Any]:
    try:
        return list(dict(json.loads(index.read_bytes()))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadInput(f"{index}: not an index of weights; download it again") from e


def _check_tokenizer(directory: Path) -> None:
    files = [directory / "tokenizer.json", directory / "tokenizer.model"]
    present = [file for file in files if file.is_file()]
    has_parts = (directory / "vocab.json").is_file() and (directory / "merges.txt").is_file()
    if not present and not has_parts:
        raise BadInput(f"{directory}: no tokenizer.json; copy the tokenizer's files to the model")
    for file in present:
        with file.open("rb") as stream:
            start = stream.read(len(LFS))
        if start == LFS:
            raise BadInput(f"{file}: a pointer of git-lfs, not the tokenizer; run 'git lfs pull'")
        if len(start) < len(LFS):
            raise BadInput(f"{file}: empty or cut off; download it again")


def _has_template(directory: Path) -> bool:
    names = ("chat_template.jinja", "chat_template.json")
    if any((directory / name).is_file() for name in names):
        return True
    if (directory / "additional_chat_templates").is_dir():
        return True
    try:
        config = json.loads((directory / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.get("chat_template"))
