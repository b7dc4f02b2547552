"""Find a profile's model: a local directory, or a download from the Hugging Face hub."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lek.errors import BadInput

_WEIGHTS = "*.safetensors"
# the files of a model that are downloaded
PATTERNS = ["*.json", _WEIGHTS, "*.jinja", "tokenizer.model", "*.tiktoken", "*.txt"]


def fetch(model: str, revision: str | None, directory: Path) -> Path:
    """Return the local directory of ``model``, downloading it from the hub if necessary.

    ``directory`` is used if it exists; otherwise ``model`` is an ``owner/name`` on the hub. A
    complete earlier download is used as it is; otherwise the configuration, tokenizer and
    safetensors files are downloaded, and no code. Raises `BadInput` if there is neither.
    """
    if directory.is_dir():
        if revision is not None:
            raise BadInput(f"{directory}: a local directory has no revision; delete the key")
        return directory
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise BadInput(
            f"{directory}: no such directory, and '{model}' is not an owner/name of the hub; "
            "give one of them"
        )
    downloaded = local(model, revision, directory)
    if downloaded is not None:
        return downloaded
    with _errors(model, directory):
        snapshot = _snapshot(model, revision, PATTERNS)
    if not _is_complete(snapshot):  # what an earlier download left, without a network
        raise BadInput(_unreachable(model, directory))
    return snapshot


def fetch_description(model: str, revision: str | None, directory: Path) -> Path:
    """Return a directory with the files of ``model`` on the hub that are not weights.

    They are downloaded if necessary. ``directory``: the local one that does not exist, for errors.
    Raises `BadInput` if the hub cannot be reached, does not give the model, or has no safetensors
    of it.
    """
    from huggingface_hub import HfApi

    others = [pattern for pattern in PATTERNS if pattern != _WEIGHTS]
    with _errors(model, directory):
        description = _snapshot(model, revision, others)
        files = [f.rfilename for f in HfApi().model_info(model, revision=revision).siblings or ()]
        if not any(name.endswith(".safetensors") for name in files):
            raise BadInput(f"{model}: no .safetensors on the hub; name a model that has some")
        return description


@contextmanager
def _errors(model: str, directory: Path) -> Iterator[None]:
    """Raise `BadInput`, with what to do, for errors of the hub within the block."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except BadInput:
        raise
    except HfHubHTTPError as e:
        status = getattr(e.response, "status_code", "nothing")
        raise BadInput(
            f"{model}: the hub returned HTTP {status}; check the name; for a gated model, accept "
            "its terms on the hub and log in with 'hf auth login'"
        ) from e
    except Exception as e:  # of the HTTP library, which depends on the version
        raise BadInput(_unreachable(model, directory)) from e


def _unreachable(model: str, directory: Path) -> str:
    """The error for a model that is neither on this machine nor can be downloaded now."""
    from huggingface_hub.constants import HF_HUB_OFFLINE

    reason = "the hub cannot be reached; check the network"
    if HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set; unset it to download"
    return f"{model}: no directory {directory}, and {reason}"


def local(model: str, revision: str | None, directory: Path) -> Path | None:
    """Return ``directory`` if it exists, else an earlier complete download, else ``None``.

    Raises `BadInput` if ``model`` is not a valid name on the hub either.
    """
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if directory.is_dir():
        return directory
    try:
        snapshot = _snapshot(model, revision, PATTERNS, local=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as e:
        raise BadInput(
            f"{model}: neither an existing directory nor a valid name on the hub; give one of them"
        ) from e
    return snapshot if _is_complete(snapshot) else None


def _snapshot(
    model: str, revision: str | None, patterns: list[str], *, local: bool = False
) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(model, revision=revision, allow_patterns=patterns, local_files_only=local)
    )


def _is_complete(directory: Path) -> bool:
    """Whether a snapshot holds a whole model: other programs may have fetched single files."""
    index = directory / "model.safetensors.index.json"
    weights = [p.name for p in directory.glob("*.safetensors")]
    if index.is_file():
        weights = list(json.loads(index.read_bytes())["weight_map"].values())
    names = ("config.json", "tokenizer_config.json", *weights)
    return bool(weights) and all((directory / name).is_file() for name in names)
