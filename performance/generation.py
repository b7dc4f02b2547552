"""Compare the speed of generation through the harness with mlx_lm and llama.cpp.

    python performance/generation.py [--model DIR ...] [--gemma-1b] [--gguf FILE]

For each model, four ways from chat messages to greedy answers, on the same prompts, one after the
other in one process, best of K runs:

- loop: `mlx_lm.generate` for one prompt after another, on 4-bit weights with bfloat16 scales, the
  way of the published LEK evaluations. On a CPU it takes seconds per token, so it gets one short
  prompt, whose time is not counted;
- batch, 4-bit: `mlx_lm.batch_generate` on the same weights, for 8 prompts, on a GPU only: on a CPU,
  MLX has no fast product of a batch with 4-bit weights;
- batches, float32: the same on these weights in float32, at several batch sizes;
- harness: messages to stored answers, from the same directory.

A directory with weights that are not quantised is quantised first. --gemma-1b adds a model of the
shape of Gemma 3 1B with random weights. --gguf adds llama.cpp, as a server with several slots, on a
GGUF file of the first model; it needs `pip install xllamacpp`.

The harness must reach 1.3 times the best of the batches, and the answers of both in float32 must
be the same; otherwise the exit code is 3. Also prints what the machine could reach: operations and
bytes per token, against its measured GFLOP/s and GB/s.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from lek.benchmarks.benchmark import shipped
from lek.data.cases import make_cases
from lek.data.tables import read_table
from lek.generation.backend import prompt_of
from lek.generation.mlx import MlxBackend, text_config
from lek.generation.responses import SubjectResponses
from lek.models.machine import accelerated, blas, import_mlx_lm, missing
from lek.models.weights import NumericFormat, load
from lek.profile.loading import load as load_profile
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ("gsm8k", "truthfulqa", "do_not_answer", "toxigen", "ethics")
FORM = NumericFormat("float32", dequantize=True)
Messages = list[dict[str, str]]


class Result(NamedTuple):
    """Answers and the tokens in them, and the seconds that they took."""

    answers: list[str]
    tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


def main() -> int:
    """Measure and print a table for each model; return 0 if the bounds hold, else 3."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", type=Path, nargs="+", default=[ROOT / "sandbox" / "base"])
    options.add_argument("--gemma-1b", action="store_true")
    options.add_argument("--gguf", type=Path)
    options.add_argument("--cases", type=int, default=256)
    options.add_argument("--slow-tokens", type=int, default=16, help="of an answer in 4 bits")
    options.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    options.add_argument("--batches", type=int, nargs="+", default=[64, 128])
    options.add_argument("--runs", type=int, default=2)
    options.add_argument("--bound", type=float, default=1.3, help="harness / best batches")
    given = options.parse_args()
    print(missing() or blas() or "a GPU is in use")
    import_mlx_lm()
    held = True
    with tempfile.TemporaryDirectory() as scratch:
        models: list[Path] = list(given.model)
        if given.gemma_1b:
            models.append(random_gemma(Path(scratch) / "gemma-1b"))
        for number, model in enumerate(models):
            gguf = given.gguf if number == 0 else None
            home = Path(scratch) / str(number)
            home.mkdir()
            held &= compare(four_bit(model, home / "four-bit"), home, gguf, given)
    return 0 if held else 3


def compare(model: Path, home: Path, gguf: Path | None, given: argparse.Namespace) -> bool:
    """Measure all ways for ``model``, print a table, and return whether the bounds hold."""
    chats = list(islice(cycle(messages()), given.cases))
    backend = MlxBackend.open(model, FORM)
    quantised, plain = load(model), load(model, FORM)
    tokenizer = plain.tokenizer
    prompts = [list(tokenizer.apply_chat_template(c, add_generation_prompt=True)) for c in chats]
    ways: dict[str, Callable[[], Result]] = {}
    ways["loop"] = partial(loop, quantised, [min(prompts, key=len)], given.slow_tokens)
    if accelerated():
        ways["batch of 8, 4-bit"] = partial(batches, quantised, prompts[:8], given.slow_tokens, 8)
    for size in given.batches:
        ways[f"batches of {size}, float32"] = partial(batches, plain, prompts, given.tokens, size)
    ways["harness"] = lambda: harness(backend, model, home, chats, given.tokens)
    if gguf is not None:
        ways["llama.cpp"] = lambda: llama_cpp(gguf, chats, given.tokens)
    total = sum(map(len, prompts))
    print(f"\n{config_of(plain)}: {len(prompts)} prompts of {total / len(prompts):.0f} tokens")
    best: dict[str, Result] = {}
    for run in range(given.runs):
        for name, way in ways.items():
            if run and (name == "loop" or name.endswith("4-bit")):
                continue  # slow
            result = way()
            print(f"{name:24} {result.seconds:8.1f} s {result.speed:9.1f} tok/s", flush=True)
            if name not in best or result.seconds < best[name].seconds:
                best[name] = result
    ours = best["harness"]
    others = [r for n, r in best.items() if n.startswith("batch")]
    ratio = ours.speed / max(r.speed for r in others)
    same = all(r.answers == ours.answers for n, r in best.items() if n.endswith("float32"))
    print(f"harness / best batches: {ratio:.2f} (bound {given.bound:g})")
    print(f"harness / loop: {ours.speed / best['loop'].speed:.1f}")
    print("same answers as mlx_lm in float32" if same else "the answers differ")
    limit(plain, prompts, given.tokens, max(given.batches), ours)
    return ratio >= given.bound and same


def config_of(loaded: Any) -> str:
    """The architecture and the shape of a model, in words."""
    config = text_config(loaded)
    return (
        f"{config['model_type']}, {config['num_hidden_layers']} layers of {config['hidden_size']}, "
        f"vocabulary {config['vocab_size']}"
    )


def messages() -> Iterator[Messages]:
    """The prompts of the sandbox's benchmarks."""
    for name in BENCHMARKS:
        for case in make_cases(read_table(ROOT / "sandbox" / f"{name}.jsonl"), shipped()[name]):
            prompt = prompt_of(case, "chat")
            assert not isinstance(prompt, str)
            yield prompt


def loop(loaded: Any, prompts: list[list[int]], limit: int) -> Result:
    """One prompt after another; the time of the prompts themselves is not counted."""
    from mlx_lm import stream_generate

    answers, tokens, seconds = [], 0, 0.0
    for prompt in prompts:
        parts = list(stream_generate(loaded.model, loaded.tokenizer, prompt, max_tokens=limit))
        answers.append("".join(part.text for part in parts))
        tokens += parts[-1].generation_tokens
        seconds += parts[-1].generation_tokens / parts[-1].generation_tps
    return Result(answers, tokens, seconds)


def batches(loaded: Any, prompts: list[list[int]], limit: int, size: int) -> Result:
    """Batches of mlx_lm, with prompts of similar length together."""
    from mlx_lm import batch_generate

    start = time.perf_counter()
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    done = batch_generate(
        loaded.model,
        loaded.tokenizer,
        [prompts[i] for i in order],
        max_tokens=limit,
        completion_batch_size=size,
        prefill_batch_size=16,
    )
    seconds = time.perf_counter() - start
    texts = dict(zip(order, done.texts, strict=True))
    answers = [texts[i] for i in range(len(prompts))]
    return Result(answers, done.stats.generation_tokens, seconds)


def harness(
    backend: MlxBackend,
    model: Path,
    home: Path,
    chats: list[Messages],
    limit: int,
    batch: int = 128,
) -> Result:
    """The harness with a new store; the model is already in memory, as for the others."""
    prompts = {f"{i}": chat for i, chat in enumerate(chats)}
    with tempfile.TemporaryDirectory(dir=home) as folder:
        path = Path(folder) / "p.toml"
        path.write_text(
            '[data]\nsource = "path"\ndir = "."\n'
            f"[decoding]\nmax_tokens = {limit}\nbatch_size = {batch}\n"
            f"[[subjects]]\nname = 'base'\nmodel = {json.dumps(str(model.resolve()))}\n"
            "dequantize = true\n[judges]\ndefault = 'none'\ngsm8k = 'exact'\n"
        )
        workspace = Workspace(Path(folder), Silent())
        generator = SubjectResponses(load_profile(path), ROOT, workspace).generator
        generator.models.load("base", backend)
        start = time.perf_counter()
        found = generator.ask("base", "benchmark", prompts)
        seconds = time.perf_counter() - start
    responses = [found[i] for i in prompts]
    tokens = sum(response.completion_tokens or 0 for response in responses)
    return Result([str(response.text) for response in responses], tokens, seconds)


def llama_cpp(gguf: Path, chats: list[Messages], limit: int) -> Result:
    """llama.cpp's server with 32 slots in this process, through its own queue."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    slots = 32
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel, params.n_ctx, params.n_predict = slots, slots * 512, limit
    params.warmup = False
    server = xllamacpp.Server(params)

    def answer(chat: Messages) -> tuple[str, int]:
        asked = {"messages": chat, "temperature": 0, "max_tokens": limit}
        found = server.handle_chat_completions(asked)
        document = found if isinstance(found, dict) else json.loads(found)
        return document["choices"][0]["message"]["content"], document["usage"]["completion_tokens"]

    start = time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        done = list(pool.map(answer, chats))
    seconds = time.perf_counter() - start
    return Result([text for text, _ in done], sum(n for _, n in done), seconds)


def limit(loaded: Any, prompts: list[list[int]], tokens: int, batch: int, ours: Result) -> None:
    """Print what the machine could reach at most with batches of ``batch``."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    config = text_config(loaded)
    weights = [w for _, w in tree_flatten(loaded.model.parameters()) if w.ndim == 2]
    numbers = sum(w.size for w in weights)  # tied embeddings, which give the logits, count once
    operations = 2 * numbers / 1e9
    gigaflops, gigabytes = speed(mx)
    context = sum(map(len, prompts)) / len(prompts) + tokens / 2
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    operations += 4 * layers * heads * width * context / 1e9
    read = sum(map(len, prompts)) * operations / gigaflops  # prompts have no logits: an upper bound
    step = max(batch * operations / gigaflops, 4 * numbers / 1e9 / gigabytes)
    reachable = ours.tokens / (read + ours.tokens / batch * step)
    print(
        f"{operations:.2f} GFLOP per token at {gigaflops:.0f} GFLOP/s, weights of "
        f"{4 * numbers / 1e9:.2f} GB at {gigabytes:.1f} GB/s: at most {reachable:.0f} tok/s with "
        f"the prompts, of which the harness reaches {ours.speed / reachable:.0%}"
    )


def speed(mx: Any) -> tuple[float, float]:
    """The GFLOP/s of a large matrix product, and the GB/s of a product with a vector."""
    a, v = mx.random.normal((2048, 2048)), mx.random.normal((1, 8192))
    wide = mx.random.normal((16384, 8192))  # 0.5 GB, more than a cache holds
    mx.eval(a, v, wide)

    def best(make: Callable[[], Any]) -> float:
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            mx.eval(make())
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    product, vector = best(lambda: a @ a), best(lambda: v @ wide.T)
    return 2 * 2048**3 / product / 1e9, 4 * wide.size / vector / 1e9


def four_bit(model: Path, out: Path) -> Path:
    """``model`` with 4-bit weights: itself, or a quantised copy in ``out``."""
    config = json.loads((model / "config.json").read_text())
    if "quantization" in config:
        return model
    import mlx.core as mx
    from mlx_lm.utils import load as load_mlx
    from mlx_lm.utils import quantize_model, save

    loaded, tokenizer, config = load_mlx(str(model), return_config=True)
    loaded.set_dtype(mx.bfloat16)
    group = next(g for g in (64, 32) if config["hidden_size"] % g == 0)
    quantised, config = quantize_model(loaded, config, group, 4)
    save(out, str(model), quantised, tokenizer, config)
    return out


def random_gemma(out: Path) -> Path:
    """A model of the shape of Gemma 3 1B, with random weights and the sandbox's tokenizer."""
    import shutil

    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.models import gemma3_text

    out.mkdir()
    shape = {
        "model_type": "gemma3_text",
        "hidden_size": 1152,
        "num_hidden_layers": 26,
        "intermediate_size": 6912,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "vocab_size": 262144,
        "sliding_window": 512,
        "rms_norm_eps": 1e-6,
    }
    source = ROOT / "sandbox" / "base"
    config = json.loads((source / "config.json").read_text())
    known = {k: v for k, v in config.items() if k.endswith("token_id")}
    (out / "config.json").write_text(json.dumps(known | shape | {"dtype": "bfloat16"}))
    for file in source.glob("*"):
        if file.name != "config.json" and not file.name.endswith(".safetensors"):
            shutil.copy(file, out)
    model = gemma3_text.Model(gemma3_text.ModelArgs.from_dict(shape))
    model.set_dtype(mx.bfloat16)
    weights = dict(tree_flatten(model.parameters()))
    del weights["lm_head.weight"]  # the embedding serves as output head too
    mx.save_safetensors(str(out / "model.safetensors"), weights, {"format": "mlx"})
    return out


if __name__ == "__main__":
    sys.exit(main())
