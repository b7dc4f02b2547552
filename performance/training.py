"""Compare LoRA training and fusing with those of mlx_lm, on the same model and data.

    python performance/training.py [--model DIR] [--data DIR] [--iters N]

Each is a process of its own, with the same BLAS and the same kernels. Prints the CPU seconds and
the peak memory of each, and exits with 3 if the harness takes more than 1.05 times as much of
either, or writes other bytes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from overhead import megabytes

from lek.models.machine import accelerated, preload
from lek.profile.schema import Stage

ROOT = Path(__file__).resolve().parent.parent
BOUND = 1.05
TRAIN = """
import json, sys
from pathlib import Path
from lek.models.machine import import_mlx_lm
from lek.models.lora import train_stage
from lek.profile.schema import Stage
import_mlx_lm()
model, data, out, stage = sys.argv[1:]
stage = Stage.model_validate_json(stage)
train_stage(Path(model), stage, Path(data), Path(out), resume=None, progress=lambda *_: None)
"""
FUSE = """
import sys
from pathlib import Path
from lek.models.machine import import_mlx_lm
from lek.models.lora import fuse
import_mlx_lm()
fuse(*map(Path, sys.argv[1:]))
"""


class Cost(NamedTuple):
    """CPU seconds and peak memory in MB (10^6 bytes) of a process."""

    seconds: float
    megabytes: float


def run(*arguments: str | Path) -> Cost:
    """Run Python with ``arguments``, and return the cost."""
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            output.seek(0)
            sys.exit(output.read().decode())
    return Cost(usage.ru_utime + usage.ru_stime, megabytes(usage))


def main() -> int:
    """Measure both, print a table, and return 0 if the bounds hold, else 3."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", type=Path, default=ROOT / "sandbox" / "base")
    options.add_argument("--data", type=Path, default=ROOT / "training")
    options.add_argument("--iters", type=int, default=100)
    given = options.parse_args()
    model, data = given.model.resolve(), given.data.resolve()
    stage = Stage(data=str(data), iters=given.iters)
    library = preload()  # also chooses the kernels, by an environment variable
    if library is not None:
        os.environ["LD_PRELOAD"] = library
    if not accelerated():
        os.environ["MLX_DISABLE_COMPILE"] = "1"  # as in the harness, where it changes no result
    os.environ |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        lora = {"rank": stage.rank, "scale": stage.scale, "dropout": stage.dropout}
        (home / "lora.yaml").write_text(json.dumps({"lora_parameters": lora}))
        settings = stage.model_dump(
            include={"iters", "batch_size", "learning_rate", "save_every", "max_seq_length", "seed"}
        )
        numbers = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        numbers += [f"--num-layers={stage.layers}", *["--mask-prompt"] * stage.mask_prompt]
        paths: list[str | Path] = ["--model", model, "--adapter-path"]
        ours, theirs = home / "ours", home / "theirs"
        costs = {
            "mlx_lm lora": run(
                "-m",
                "mlx_lm",
                "lora",
                "--train",
                "--data",
                data,
                "-c",
                home / "lora.yaml",
                *paths,
                theirs,
                *numbers,
            ),
            "harness, LoRA": run("-c", TRAIN, model, data, ours, stage.model_dump_json()),
            "mlx_lm fuse": run(
                "-m",
                "mlx_lm",
                "fuse",
                "--dequantize",
                *paths,
                theirs,
                "--save-path",
                home / "theirs-fused",
            ),
            "harness, fuse": run("-c", FUSE, model, ours, home / "ours-fused"),
        }
        same = all(
            (home / f"ours{kind}" / name).read_bytes()
            == (home / f"theirs{kind}" / name).read_bytes()
            for kind, name in (("", "adapters.safetensors"), ("-fused", "model.safetensors"))
        )
    for name, cost in costs.items():
        print(f"{name:16}{cost.seconds:9.1f} s{cost.megabytes:8,.0f} MB")
    held = same
    for what in ("LoRA", "fuse"):
        ratio = [
            mine / other
            for mine, other in zip(
                costs[f"harness, {what}"], costs[f"mlx_lm {what.lower()}"], strict=True
            )
        ]
        print(f"{what}: {ratio[0]:.3f} times the CPU, {ratio[1]:.3f} times the memory")
        held &= max(ratio) <= BOUND
    print("the same bytes" if same else "the bytes differ")
    return 0 if held else 3


if __name__ == "__main__":
    sys.exit(main())
