"""Data sets of the Hugging Face hub, loaded by `datasets`, which caches them."""

import gc
import hashlib
import json
import os
import re
import traceback
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import CaseSource
from lek.data.tables import Row, Table
from lek.errors import BadInput

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_dataset(source: CaseSource) -> tuple[Table, dict[str, Any]]:
    """Return the rows of a data set, and facts on it: its name, config, split and commit.

    A copy that was downloaded earlier is used without a network, or with ``HF_HUB_OFFLINE``. No
    code of the data set is executed. Raises `BadInput`, with what to do, if it cannot be loaded.
    """
    assert source.dataset is not None
    import datasets

    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(
            source.dataset, source.config, split=source.split, revision=source.revision
        )
    except Exception as e:  # of datasets, huggingface_hub, and whatever reads the files
        # What Arrow has open must be closed now: its threads can abort an interpreter that exits.
        # https://github.com/apache/arrow/issues/45214
        traceback.clear_frames(e.__traceback__)
        gc.collect()
        raise BadInput(_problem(source, e)) from e
    commit = _commit(loaded)
    if source.revision and _COMMIT.fullmatch(source.revision) and commit != source.revision:
        raise BadInput(
            f"{source.dataset}: the copy on this machine is revision {commit}, not "
            f"{source.revision}; connect to the network, or delete revision"
        )
    if not len(loaded):
        raise BadInput(f"{source.dataset}: split '{source.split}' is empty; name another split")
    rows = tuple(Row(f"row {i}", dict(fields)) for i, fields in enumerate(loaded, 1))
    text = json.dumps([row.fields for row in rows], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    facts = {
        "dataset": source.dataset,
        "config": source.config,
        "split": source.split,
        "revision": commit or source.revision,
    }
    return Table(f"{source.dataset} ({source.split})", digest, rows), facts


def _commit(loaded: Any) -> str | None:
    """The commit that a data set was prepared from: its directory in the cache has this name."""
    for file in loaded.cache_files:
        for part in Path(file["filename"]).parts:
            if _COMMIT.fullmatch(part):
                return part
    return None


def _problem(source: CaseSource, error: Exception) -> str:
    """What is wrong and what to do, as one line."""
    name = source.dataset
    chain: list[BaseException] = [error]
    for e in chain:
        inner = (e.__cause__, e.__context__)
        chain += [i for i in inner if i is not None and i not in chain]
    kinds = {c.__name__ for e in chain for c in type(e).__mro__}
    text = " ".join(str(error).split())
    if "GatedRepoError" in kinds or "gated" in text:
        return (
            f"{name}: the hub gives it only to users who accepted its terms; accept them at "
            f"{_hub()}/datasets/{name}, and log in with 'hf auth login' or set HF_TOKEN"
        )
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError"}:
        return (
            f"{name}: no such data set on the hub, or a private one; check the name, or log in "
            "with 'hf auth login'"
        )
    if kinds & {"RevisionNotFoundError"}:
        return f"{name}: no revision '{source.revision}'; check revision"
    if "OfflineModeIsEnabled" in kinds or "OfflineModeIsEnabled" in text:
        return f"{name}: not on this machine, and HF_HUB_OFFLINE is set; unset it to download"
    if kinds & {"LocalEntryNotFoundError", "ConnectionError", "ConnectError", "TimeoutException"}:
        return f"{name}: the hub ({_hub()}) cannot be reached; check the network"
    if "scripts are no longer supported" in text:
        script = text.rpartition(" ")[2]
        return (
            f"{name}: loaded by a script ({script}), which is never run; name a data set of files, "
            "or a revision with files such as refs/convert/parquet"
        )
    if "BuilderConfig" in text:
        return f"{name}: no config '{source.config}'; {text.partition('. ')[2] or text}"
    if text.startswith("Unknown split"):
        return f"{name}: no split '{source.split}'; {text.partition('. ')[2] or text}"
    return f"{name}: cannot be loaded: {type(error).__name__}: {text[:200]}"


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
