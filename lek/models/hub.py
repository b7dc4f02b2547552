"""A model as a profile names it -> the directory where it lies, fetched from the hub at need."""

import json
from pathlib import Path

from lek.errors import BadInput

_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.tiktoken", "*.txt"]


def fetch(model: str, revision: str | None, place: Path) -> Path:
    """The directory ``place`` where it exists, else the hub's ``model`` (``owner/name``).

    What was downloaded before is used as it is; else configuration, tokenizer and safetensors are
    fetched, and no code. Raises `BadInput` where there is neither.
    """
    if place.is_dir():
        if revision is not None:
            raise BadInput(f"{place}: a directory has no revision; delete the key")
        return place
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise BadInput(f"{place}: no such directory (and '{model}' is no owner/name of the hub)")
    found = local(model, revision, place)
    if found is not None:
        return found
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return _snapshot(model, revision, local=False)
    except LocalEntryNotFoundError as e:
        raise BadInput(f"{model}: not at {place}, and the hub cannot be reached") from e
    except HfHubHTTPError as e:
        status = getattr(e.response, "status_code", "nothing")
        raise BadInput(
            f"{model}: the hub says {status}; check the name, and where its terms must be "
            "accepted do so and log in with 'hf auth login'"
        ) from e


def local(model: str, revision: str | None, place: Path) -> Path | None:
    """The directory ``place``, or what was downloaded before; ``None`` where there is neither."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if place.is_dir():
        return place
    try:
        found = _snapshot(model, revision, local=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as e:
        raise BadInput(f"{model}: neither a directory nor a name of the hub") from e
    return found if _whole(found) else None


def _snapshot(model: str, revision: str | None, *, local: bool) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            model, revision=revision, allow_patterns=_PATTERNS, local_files_only=local
        )
    )


def _whole(directory: Path) -> bool:
    """Whether a snapshot holds all of a model: other programs fetch single files of one."""
    index = directory / "model.safetensors.index.json"
    weights = [p.name for p in directory.glob("*.safetensors")]
    if index.is_file():
        weights = list(json.loads(index.read_bytes())["weight_map"].values())
    names = ("config.json", "tokenizer_config.json", *weights)
    return bool(weights) and all((directory / name).is_file() for name in names)
