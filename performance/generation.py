"""Compare the speed of generation through the harness with mlx_lm alone, on the same prompts.

    python performance/generation.py [--model DIR] [--cases N] [--runs K]

Three ways from chat messages to greedy answers in float32 are measured alternately in one process,
best of K runs: the harness (batches, store, progress), `mlx_lm.batch_generate` with the same batch
size, and a loop of `mlx_lm.generate`. The harness must reach 0.9 of the speed of batched generation
alone, and all three must give the same answers; otherwise the exit code is 3.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from lek.benchmarks.benchmark import shipped
from lek.data.cases import make_cases
from lek.data.tables import read_table
from lek.generation.backend import prompt_of
from lek.generation.mlx import MlxBackend
from lek.generation.responses import SubjectResponses
from lek.models.machine import missing
from lek.models.weights import NumericFormat, load
from lek.profile.loading import LoadedProfile
from lek.profile.loading import load as load_profile
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ("gsm8k", "truthfulqa", "do_not_answer", "toxigen", "ethics")
BOUND = 0.9
MAX_TOKENS, BATCH = 64, 64


def main() -> int:
    """Measure and print a table; return 0 if the bound holds, else 3."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=ROOT / "sandbox" / "base")
    options.add_argument("--cases", type=int, default=256)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    print(missing() or "OpenBLAS or a GPU is in use")
    form = NumericFormat("float32", dequantize=True)
    loaded, backend = load(given.model, form), MlxBackend.open(given.model, form)
    cases = [
        c
        for b in BENCHMARKS
        for c in make_cases(read_table(ROOT / "sandbox" / f"{b}.jsonl"), shipped()[b])
    ]
    prompts = {
        f"{i}-{c.id}": prompt_of(c, "chat") for i, c in enumerate(islice(cycle(cases), given.cases))
    }
    tokenizer = loaded.tokenizer

    def rendered() -> list[list[int]]:
        return [
            tokenizer.apply_chat_template(p, add_generation_prompt=True) for p in prompts.values()
        ]

    def alone() -> list[str]:
        from mlx_lm import batch_generate

        ids = rendered()
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        done = batch_generate(
            loaded.model,
            tokenizer,
            [ids[i] for i in order],
            max_tokens=MAX_TOKENS,
            completion_batch_size=BATCH,
            prefill_batch_size=16,
        )
        texts = dict(zip(order, done.texts, strict=True))
        return [texts[i] for i in range(len(ids))]

    def loop() -> list[str]:
        from mlx_lm import generate

        return [generate(loaded.model, tokenizer, i, max_tokens=MAX_TOKENS) for i in rendered()]

    def harness() -> list[str]:
        with tempfile.TemporaryDirectory() as home:
            profile = _profile(Path(home), given.model)
            generator = SubjectResponses(profile, ROOT, Workspace(Path(home), Silent())).generator
            # the model is already in memory, as for the other two
            generator.models.load("base", backend)
            begun = time.perf_counter()
            answers = generator.ask("base", "benchmark", prompts)
            taken.append(time.perf_counter() - begun)
            return [str(answers[i].text) for i in prompts]

    taken: list[float] = []
    ways: dict[str, Callable[[], list[str]]] = {"harness": harness, "alone": alone, "loop": loop}
    best: dict[str, float] = dict.fromkeys(ways, float("inf"))
    said: dict[str, list[str]] = {}
    for run in range(given.runs):
        for name, way in ways.items():
            if name == "loop" and run:
                continue  # slow, and one run is enough for a ratio of about ten
            begun = time.perf_counter()
            said[name] = way()
            seconds = taken.pop() if name == "harness" else time.perf_counter() - begun
            best[name] = min(best[name], seconds)
    tokens = sum(len(tokenizer.encode(t, add_special_tokens=False)) for t in said["loop"])
    print(f"{len(prompts)} answers, {tokens} tokens, batches of up to {BATCH}")
    for name, seconds in best.items():
        print(f"{name:8} {seconds:7.2f} s {tokens / seconds:8,.0f} tok/s")
    ratio, gain = best["alone"] / best["harness"], best["loop"] / best["harness"]
    print(f"harness / batched generation alone: {ratio:.2f} (bound {BOUND})")
    print(f"harness / loop of mlx_lm.generate: {gain:.1f}")
    same = said["harness"] == said["alone"] == said["loop"]
    print("all three say the same" if same else "the answers differ")
    return 0 if ratio >= BOUND and same else 3


def _profile(home: Path, model: Path) -> LoadedProfile:
    path = home / "p.toml"
    path.write_text(
        f'[data]\nsource = "path"\ndir = "."\n[decoding]\nmax_tokens = {MAX_TOKENS}\n'
        f'batch_size = {BATCH}\n[[subjects]]\nname = "base"\nmodel = "{model.resolve()}"\n'
        '[judges]\ndefault = "none"\ngsm8k = "exact"\n'
    )
    return load_profile(path)


if __name__ == "__main__":
    sys.exit(main())
