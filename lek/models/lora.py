"""Train LoRA adapters and fuse them into models, with the same results as mlx_lm.

The files are byte for byte those of ``mlx_lm lora`` and ``mlx_lm fuse --dequantize``; input that
mlx_lm mishandles without an error is rejected here. Not supported: DoRA, full fine-tuning,
quantising the result.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.models import chats, weights
from lek.profile.schema import Stage
from lek.records import Record
from lek.workspace.atomic import is_free, new_directory

Progress = Callable[[str, int, int], None]


def train_stage(
    model: Path, stage: Stage, data: Path, out: Path, *, resume: Path | None, progress: Progress
) -> dict[str, Any]:
    """Fine-tune ``model`` on the examples of ``data``; write adapter and checkpoints to ``out``.

    ``data`` is a directory with ``train.jsonl`` (and ``valid.jsonl``), or one file to train on.
    ``resume`` is the adapter of the previous stage. ``progress``: called after each iteration with
    ``"LoRA"``, the number of iterations done, and their total. Returns ``iterations``,
    ``first_loss`` and ``last_loss`` (nat per token, means over up to ten iterations), ``valid``
    (pairs of iterations done and loss), ``tokens`` trained on, ``seconds``, ``digest``, and
    ``notes`` on data that were not used.

    Raises `BadInput` for unsuitable examples or settings, an adapter that does not fit, or a loss
    that is not finite. ``out`` must be new or empty; after an error nothing is left there. The
    same call gives the same bytes on the same machine, BLAS and number of threads.
    """
    base = digest_of_weights(model)
    previous = None if resume is None else read_adapter(resume, base)
    if previous and (scale := previous.stage["scale"]) != stage.scale:
        raise BadInput(
            f"scale = {stage.scale:g}: that of {resume} is {scale:g}; give both the same"
        )
    files = [file for file in chats.find(data) if file]
    for file in files:
        chats.check_form(file, stage)
    _check_new(out)
    with new_directory(out) as temporary:
        loaded = weights.load(model)
        datasets, notes, monitor = [], [], _Monitor(stage, progress)
        for file in files:
            datasets.append(file.dataset(loaded.tokenizer, mask_prompt=stage.mask_prompt))
            notes += chats.check(file, datasets[-1], loaded.tokenizer, stage)
        start = time.perf_counter()
        _train(loaded.model, stage, datasets, temporary, resume, monitor)
        seconds = time.perf_counter() - start
        record = Adapter(
            model=base,
            data={file.path.name: file.digest for file in files},
            stage=stage.model_dump(mode="json"),
            resumed=previous.digest if previous else None,
            digest=digest_of(temporary / WEIGHTS),
        )
        write_adapter(temporary, record)
    return monitor.result | {"seconds": seconds, "digest": record.digest, "notes": notes}


def fuse(model: Path, adapter: Path, out: Path) -> None:
    """Write ``model`` with ``adapter`` added to its weights, dequantised, to ``out``.

    Raises `BadInput` unless the adapter was trained on these weights by `train_stage` and ``out``
    is new or empty.
    """
    read_adapter(adapter, digest_of_weights(model))
    _check_new(out)
    loaded = weights.load(model)
    from mlx_lm.utils import load_adapters

    load_adapters(loaded.model, str(adapter))
    save_fused(loaded, model, out)


def save_fused(loaded: weights.Loaded, model: Path, out: Path) -> None:
    """Fuse the LoRA layers of ``loaded``, dequantised, and write the result to ``out``.

    ``model``: the directory that ``loaded`` was loaded from. ``out`` must be new or empty.
    """
    from mlx.utils import tree_unflatten

    with new_directory(out) as temporary:
        # dequantised, because 4 bits would round away most of a small adapter; no name for the old
        # modules, so that their weights are freed one by one
        fused = [
            (name, module.fuse(dequantize=True))
            for name, module in loaded.model.named_modules()
            if hasattr(module, "fuse")
        ]
        loaded.model.update_modules(tree_unflatten(fused))
        del fused
        weights.save(
            weights.in_form(loaded, weights.NumericFormat(dequantize=True)),
            temporary,
            source=model,
        )


def _train(
    model: Any,
    stage: Stage,
    datasets: list[Any],
    out: Path,
    resume: Path | None,
    monitor: "_Monitor",
) -> None:
    """Do what ``mlx_lm.lora.run`` does with a loaded model and data, in its order, unprinted."""
    import mlx.core as mx
    import numpy as np
    from mlx.optimizers import Adam
    from mlx.utils import tree_flatten
    from mlx_lm.lora import CONFIG_DEFAULTS
    from mlx_lm.tuner import trainer
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import save_config

    chats.check_layers(stage, len(model.layers))
    lora: dict[str, Any] = {
        "rank": stage.rank,
        "scale": stage.scale,
        "dropout": stage.dropout,
        **_keys(model),
    }
    config = CONFIG_DEFAULTS | stage.model_dump(exclude={"data", "layers", *lora})
    config |= {"train": True, "num_layers": stage.layers, "lora_parameters": lora}
    # paths are specific to this machine, and nothing that reads an adapter needs them
    for path in ("model", "data", "adapter_path", "resume_adapter_file", "config"):
        config.pop(path, None)
    save_config(config, out / "adapter_config.json")
    np.random.seed(stage.seed)  # the order of the batches
    mx.random.seed(stage.seed)  # the initial adapter weights, and dropout
    model.freeze()
    linear_to_lora_layers(model, stage.layers, lora)
    if resume is not None:
        resumed: Any = mx.load(str(resume / WEIGHTS))
        initial = tree_flatten(model.trainable_parameters())
        if {k: w.shape for k, w in resumed.items()} != {k: w.shape for k, w in initial}:
            raise BadInput(f"{resume}: has another rank or other layers; give both stages the same")
        model.load_weights(list(resumed.items()), strict=False)
    arguments = trainer.TrainingArgs(
        **{k: v for k, v in config.items() if k in trainer.TrainingArgs.__dataclass_fields__},
        steps_per_save=stage.save_every,
        adapter_file=str(out / WEIGHTS),
    )
    adam = Adam(learning_rate=stage.learning_rate)
    with monitor.replacing_display_of(trainer):
        trainer.train(model, adam, *datasets, args=arguments, training_callback=monitor)
    # the last step follows the last reported loss, so it can still diverge
    trained: Any = mx.load(arguments.adapter_file)
    if not all(mx.isfinite(w).all().item() for w in trained.values()):
        monitor.check(stage.iters, math.nan)


def _keys(model: Any) -> dict[str, list[str]]:
    """The names of the layers to adapt, for mlx_lm, unless all linear layers are adapted.

    Gemma 3n computes with the weights of two small layers that it does not call (AltUp's
    coefficients): they cannot be replaced by LoRA layers.
    """
    if model.model_type != "gemma3n":
        return {}
    from mlx import nn

    linear = nn.Linear, nn.QuantizedLinear
    names = (n for n, m in model.layers[0].named_modules() if isinstance(m, linear))
    return {"keys": sorted(n for n in names if not n.startswith("altup."))}


class _Monitor:
    """Replaces mlx_lm's display, which prints, and its training callback; collects the losses."""

    def __init__(self, stage: Stage, progress: Progress) -> None:
        self._stage, self._progress, self._done, self._tokens = stage, progress, 0, 0
        self._losses: list[float] = []
        self._valid: list[tuple[int, float]] = []

    @property
    def result(self) -> dict[str, Any]:
        losses = {"first_loss": self._losses[0], "last_loss": self._losses[-1]}
        return losses | {"iterations": self._done, "tokens": self._tokens, "valid": self._valid}

    @contextmanager
    def replacing_display_of(self, trainer: Any) -> Iterator[None]:
        display, rprint = trainer.TrainUI, trainer.rprint
        trainer.TrainUI, trainer.rprint = lambda *_, **__: self, lambda *_, **__: None
        try:
            yield
        finally:
            trainer.TrainUI, trainer.rprint = display, rprint

    def check(self, iteration: int, loss: float) -> None:
        if not math.isfinite(loss):
            rate = f"learning_rate = {self._stage.learning_rate:g}"
            raise BadInput(f"{rate}: the loss is not finite at iteration {iteration}; lower it")

    def on_train_loss_report(self, info: dict[str, Any]) -> None:
        self.check(info["iteration"], info["train_loss"])
        self._losses.append(info["train_loss"])
        self._tokens = int(info["trained_tokens"])

    def on_val_loss_report(self, info: dict[str, Any]) -> None:
        self.check(info["iteration"], info["val_loss"])
        self._valid.append((info["iteration"], info["val_loss"]))

    def advance(self) -> None:
        self._done += 1
        self._progress("LoRA", self._done, self._stage.iters)

    def val_task(self, _total: int) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: None)

    def report(self, *_: object) -> None: ...

    report_train = report_val = report_save = report

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


WEIGHTS, RECORD = "adapters.safetensors", "lek.json"


class Adapter(Record, frozen=True, kw_only=True):
    """What an adapter was trained from. All digests are SHA-256.

    ``model``: the digest of the base weights (`digest_of_weights`). ``data``: the digests of the
    data files, by name. ``resumed``: the digest of the adapter from which training resumed.
    ``digest``: the digest of the adapter's own weights.
    """

    model: str
    data: dict[str, str]
    stage: dict[str, Any]
    resumed: str | None
    digest: str


def digest_of_weights(model: Path) -> str:
    """SHA-256 over the names and contents of the weight files in the directory ``model``.

    Raises `BadInput` if there are none.
    """
    files = sorted(model.glob("model*.safetensors"))
    if not files:
        raise BadInput(f"{model}: no model*.safetensors; expected a model directory")
    return hashlib.sha256("".join(f.name + digest_of(f) for f in files).encode()).hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of the file at ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_adapter(directory: Path, adapter: Adapter) -> None:
    """Write the record to ``directory``, which marks the adapter there as complete."""
    (directory / RECORD).write_text(adapter.to_json() + "\n")


def read_adapter(directory: Path, base: str) -> Adapter:
    """Read the record of the adapter in ``directory``; its base weights must have digest ``base``.

    Raises `BadInput` if the record is missing, or belongs to other adapter or base weights.
    """
    try:
        adapter = Adapter.from_json((directory / RECORD).read_bytes())
        digest = digest_of(directory / WEIGHTS)
    except (OSError, ValueError) as e:
        raise BadInput(
            f"{directory}: no complete adapter ({e}); expected {WEIGHTS} and {RECORD}"
        ) from e
    if digest != adapter.digest:
        raise BadInput(
            f"{directory}: {WEIGHTS} does not have the digest of {RECORD}; train the adapter again"
        )
    if base != adapter.model:
        raise BadInput(
            f"{directory}: trained on other weights than those given; resume and fuse an adapter "
            "with the weights that its first stage was trained on, never with fused ones"
        )
    return adapter


def _check_new(directory: Path) -> None:
    """Raise `BadInput` unless ``directory`` is new or empty."""
    if not is_free(directory):
        raise BadInput(f"{directory}: exists and is not an empty directory; give a new one")
