"""A model directory and chats -> a LoRA adapter; model and adapter -> the fused model.

Their bytes are those of ``mlx_lm lora`` and ``mlx_lm fuse --dequantize``; what these let pass in
silence is refused here. What is not covered: DoRA, full fine-tunes, quantising the result.
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
from lek.workspace.atomic import new_directory

Progress = Callable[[str, int, int], None]


def train_stage(
    model: Path, stage: Stage, data: Path, out: Path, *, resume: Path | None, progress: Progress
) -> dict[str, Any]:
    """Fine-tune ``model`` on the chats of ``data``; adapter and checkpoints go to ``out``.

    ``data`` is a directory with ``train.jsonl`` (and ``valid.jsonl``), or one file to train on.
    ``resume`` is the adapter of the stage before. Returns ``iterations``, ``first_loss`` and
    ``last_loss`` (nat per token, means over up to ten iterations), ``valid`` (iterations done and
    loss), ``tokens`` trained on, ``seconds``, ``digest``, and ``notes`` on data not used.

    ``out`` must be new or empty; when anything fails, nothing is left there. Raises `BadInput`. The
    same call gives the same bytes on one machine with one BLAS and number of threads.
    """
    base = digest_of_weights(model)
    before = None if resume is None else read_adapter(resume, base)
    if before and (was := before.stage["scale"]) != stage.scale:
        raise BadInput(f"scale = {stage.scale:g}: that of {resume} is {was:g}; give both the same")
    found = [each for each in chats.find(data) if each]
    _check_new(out)
    with new_directory(out) as place:
        loaded = weights.load(model)
        from mlx_lm.tuner.datasets import CacheDataset, ChatDataset

        sets, notes, watch = [], [], _Watch(stage, progress)
        for each in found:
            rows = ChatDataset(each.rows, loaded.tokenizer, mask_prompt=stage.mask_prompt)
            sets.append(CacheDataset(rows))
            notes += chats.check(each, sets[-1], stage)
        start = time.perf_counter()
        _train(loaded.model, stage, sets, place, resume, watch)
        seconds = time.perf_counter() - start
        record = Adapter(
            model=base,
            data={each.path.name: each.digest for each in found},
            stage=stage.model_dump(mode="json"),
            resumed=before.digest if before else None,
            digest=digest_of(place / WEIGHTS),
        )
        write_adapter(place, record)
    return watch.result | {"seconds": seconds, "digest": record.digest, "notes": notes}


def fuse(model: Path, adapter: Path, out: Path) -> None:
    """Write ``model`` with ``adapter`` added to its weights, dequantised, to ``out``.

    Raises `BadInput` where the adapter was not trained on these weights by `train_stage`.
    """
    read_adapter(adapter, digest_of_weights(model))
    _check_new(out)
    with new_directory(out) as place:
        loaded = weights.load(model)
        from mlx.utils import tree_unflatten
        from mlx_lm.utils import load_adapters

        load_adapters(loaded.model, str(adapter))
        modules = loaded.model.named_modules()
        # in 4 bits most of a small adapter would be rounded away
        fused = [(n, m.fuse(dequantize=True)) for n, m in modules if hasattr(m, "fuse")]
        loaded.model.update_modules(tree_unflatten(fused))
        weights.save(
            weights.in_form(loaded, weights.NumericFormat(dequantize=True)), place, source=model
        )


def _train(
    model: Any, stage: Stage, sets: list[Any], out: Path, resume: Path | None, watch: "_Watch"
) -> None:
    """What ``mlx_lm.lora.run`` does with a loaded model and data, in its order, but in silence."""
    import mlx.core as mx
    import numpy as np
    from mlx.optimizers import Adam
    from mlx.utils import tree_flatten
    from mlx_lm.lora import CONFIG_DEFAULTS
    from mlx_lm.tuner import trainer
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import save_config

    wanted, n = stage.layers, len(model.layers)
    if wanted != -1 and not 0 < wanted <= n:
        raise BadInput(f"layers = {wanted}: the model has {n}; give 1 to {n}, or -1 for all")
    lora = {"rank": stage.rank, "scale": stage.scale, "dropout": stage.dropout}
    config = CONFIG_DEFAULTS | stage.model_dump(exclude={"data", "layers", *lora})
    config |= {"train": True, "num_layers": stage.layers, "lora_parameters": lora}
    # paths are left out: they are of this machine, and nothing that reads an adapter needs them
    for path in ("model", "data", "adapter_path", "resume_adapter_file", "config"):
        config.pop(path, None)
    save_config(config, out / "adapter_config.json")
    np.random.seed(stage.seed)  # the order of the batches
    mx.random.seed(stage.seed)  # the adapter's start, and dropout
    model.freeze()
    linear_to_lora_layers(model, stage.layers, lora)
    if resume is not None:
        earlier: Any = mx.load(str(resume / WEIGHTS))
        new = tree_flatten(model.trainable_parameters())
        if {k: w.shape for k, w in earlier.items()} != {k: w.shape for k, w in new}:
            raise BadInput(f"{resume}: has another rank or other layers; give both stages the same")
        model.load_weights(list(earlier.items()), strict=False)
    arguments = trainer.TrainingArgs(
        **{k: v for k, v in config.items() if k in trainer.TrainingArgs.__dataclass_fields__},
        steps_per_save=stage.save_every,
        adapter_file=str(out / WEIGHTS),
    )
    adam = Adam(learning_rate=stage.learning_rate)
    with watch.instead_of(trainer):
        trainer.train(model, adam, *sets, args=arguments, training_callback=watch)
    # the last step comes after the last loss
    trained: Any = mx.load(arguments.adapter_file)
    if not all(mx.isfinite(w).all().item() for w in trained.values()):
        watch.check(stage.iters, math.nan)


class _Watch:
    """Stands in for the display of mlx_lm, which prints, and for its callback."""

    def __init__(self, stage: Stage, progress: Progress) -> None:
        self._stage, self._progress, self._done, self._tokens = stage, progress, 0, 0
        self._losses: list[float] = []
        self._valid: list[tuple[int, float]] = []

    @property
    def result(self) -> dict[str, Any]:
        losses = {"first_loss": self._losses[0], "last_loss": self._losses[-1]}
        return losses | {"iterations": self._done, "tokens": self._tokens, "valid": self._valid}

    @contextmanager
    def instead_of(self, trainer: Any) -> Iterator[None]:
        shown, told = trainer.TrainUI, trainer.rprint
        trainer.TrainUI, trainer.rprint = lambda *_, **__: self, lambda *_, **__: None
        try:
            yield
        finally:
            trainer.TrainUI, trainer.rprint = shown, told

    def check(self, iteration: int, loss: float) -> None:
        if not math.isfinite(loss):
            rate = f"learning_rate = {self._stage.learning_rate:g}"
            raise BadInput(
                f"{rate}: the loss is no number by iteration {iteration}; lower the rate"
            )

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


def write_adapter(directory: Path, adapter: Adapter) -> None:
    """Complete ``directory`` with the record: what lacks it is not taken for an adapter."""
    (directory / RECORD).write_text(adapter.to_json() + "\n")


def read_adapter(directory: Path, base: str) -> Adapter:
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


def _check_new(directory: Path) -> None:
    """Raise `BadInput` unless ``directory`` is new or empty."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise BadInput(f"{directory}: exists and is not an empty directory; give a new one")
