"""The architectures of mlx_lm: generation, LoRA and fusing, on tiny models with random weights."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support import tiny  # loads the BLAS, so it comes before mlx.core

# isort: split
import mlx.core as mx
import numpy as np
import pytest
from support.project import Project

from lek.errors import BadInput
from lek.generation.backend import Request, chat
from lek.generation.likelihood import Choices, log_likelihoods
from lek.generation.mlx import MlxBackend, bytes_per_sequence
from lek.models import lora
from lek.models.architectures import architecture
from lek.models.checks import check_model
from lek.models.weights import NumericFormat, load
from lek.profile.schema import Decoding, Stage

Maker = Callable[..., Path]
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}


def kind(name: str, **config: Any) -> Maker:
    return partial(tiny.llama, model_type=name, **config)


DENSE: dict[str, Maker] = {
    "gemma3_text": tiny.gemma,
    "gemma3": tiny.gemma3,
    "gemma3n": tiny.gemma3n,
    "gemma2": kind("gemma2", query_pre_attn_scalar=32),
    **{name: kind(name) for name in ("llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3")},
}
UNTIED = ("llama", "phi3", "qwen2", "smollm3")
QUANTISED = ("gemma3_text", "gemma3", "gemma3n", "llama", "phi3")
MIXTURES: dict[str, Maker] = {
    "mixtral": kind("mixtral", **EXPERTS),
    "qwen3_moe": kind(
        "qwen3_moe",
        **EXPERTS,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        moe_intermediate_size=64,
        norm_topk_prob=True,
    ),
}
RECURRENT: dict[str, Maker] = {
    "mamba": kind(
        "mamba", state_size=16, conv_kernel=4, use_bias=False, use_conv_bias=True, time_step_rank=8
    ),
    "lfm2": kind(
        "lfm2",
        norm_eps=1e-5,
        conv_bias=False,
        conv_L_cache=3,
        block_dim=128,
        block_ff_dim=256,
        block_multiple_of=64,
        block_ffn_dim_multiplier=1.0,
        block_auto_adjust_ff_dim=False,
        full_attn_idxs=[1, 3],
    ),
    "jamba": kind(
        "jamba",
        attn_layer_offset=1,
        attn_layer_period=2,
        expert_layer_offset=1,
        expert_layer_period=2,
        mamba_d_conv=4,
        mamba_d_state=16,
        mamba_expand=2,
        num_experts=2,
        num_experts_per_tok=1,
    ),
}
ALL = {
    **DENSE,
    **{f"{n}, untied": partial(DENSE[n], tie_word_embeddings=False) for n in UNTIED},
    **{f"{n}, quantised": partial(DENSE[n], bits=4) for n in QUANTISED},
    **MIXTURES,
    **RECURRENT,
}
FORM = NumericFormat("float32", dequantize=True)
IDS = [[2, 7, 9, 11, 30, 60, 61]]


@pytest.fixture(scope="module", params=ALL)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ALL[request.param](tmp_path_factory.mktemp("model"), sigma=0.3)


def prompts() -> list[str]:
    """Return two prompts more than the tiny models have heads for keys, of different lengths."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(tiny.WORDS, n)) for n in (3, 70, 12, 30)]


def greedy(backend: MlxBackend, prompts: list[str], tokens: int = 16) -> list[str | None]:
    requests = [Request(str(i), chat(text)) for i, text in enumerate(prompts)]
    done = {c.id: c.text for c in backend.complete(requests, Decoding(max_tokens=tokens))}
    return [done[r.id] for r in requests]


def logits(directory: Path, adapter: Path | None = None) -> Any:
    from mlx_lm.models.cache import make_prompt_cache
    from mlx_lm.utils import load_adapters

    model = load(directory).model
    if adapter is not None:
        load_adapters(model, str(adapter))
    return model(mx.array(IDS), cache=make_prompt_cache(model)).astype(mx.float32)


def far(one: Any, other: Any) -> float:
    return float(mx.abs(one - other).max())


def test_an_answer_does_not_depend_on_the_batch(model: Path) -> None:
    backend = MlxBackend.open(model, FORM)
    alone = [greedy(backend, [prompt])[0] for prompt in prompts()]
    assert greedy(backend, prompts()) == alone
    assert greedy(backend, prompts()[:2]) == alone[:2]  # as many as heads for keys
    assert len(set(alone)) > 1


def test_what_all_prompts_begin_with_changes_no_answer(model: Path) -> None:
    backend = MlxBackend.open(model, FORM)
    beginning = " ".join(np.random.default_rng(1).choice(tiny.WORDS, 90))
    asked = [f"{beginning} {prompt}" for prompt in prompts()]
    assert greedy(backend, asked) == [greedy(backend, [prompt])[0] for prompt in asked]


def test_likelihoods_do_not_depend_on_the_batch(model: Path) -> None:
    loaded = load(model, FORM).model
    rng = np.random.default_rng(0)

    def ids(count: int) -> list[int]:
        return [int(i) for i in rng.integers(6, 300, count)]

    start = ids(40)
    questions = [Choices([*start, *ids(1 + i % 2)], [ids(n) for n in (1, 2, 5)]) for i in range(4)]
    together = dict(log_likelihoods(loaded, questions, 64))
    for i, question in enumerate(questions):
        for n, choice in enumerate(question.choices):
            ((_, (alone,)),) = log_likelihoods(loaded, [Choices(question.context, [choice])], 1)
            assert together[i][n] == pytest.approx(alone, abs=1e-3)


def test_lora_is_fused_as_it_was_trained(model: Path, tmp_path: Path) -> None:
    data = tiny.chats(tmp_path / "train.jsonl", 8)
    stage = Stage(data="", iters=3, learning_rate=1e-3)
    facts = lora.train_stage(
        model, stage, data, tmp_path / "adapter", resume=None, progress=lambda *_: None
    )
    lora.fuse(model, tmp_path / "adapter", tmp_path / "fused")
    trained = logits(model, tmp_path / "adapter")
    assert far(trained, logits(tmp_path / "fused")) < 1e-3
    assert far(trained, logits(model)) > 0.1
    assert facts["last_loss"] < 10
    assert "quantization" not in json.loads((tmp_path / "fused" / "config.json").read_text())


def test_gemma_3n_computes_the_same_with_and_without_a_cache(tmp_path: Path) -> None:
    loaded = load(tiny.gemma3n(tmp_path)).model
    assert far(loaded(mx.array(IDS)), logits(tmp_path)) == 0
    from mlx_lm.utils import load as load_uncorrected

    uncorrected: Any = load_uncorrected(str(tmp_path))[0]
    assert far(uncorrected(mx.array(IDS)), logits(tmp_path)) > 0.1


def test_the_losses_of_gemma_3n_are_those_of_the_model_that_answers(tmp_path: Path) -> None:
    model = tiny.gemma3n(tmp_path / "model")
    data = tiny.chats(tmp_path / "train.jsonl", 2)
    stage = Stage(data="", iters=1, mask_prompt=False)
    facts = lora.train_stage(
        model, stage, data, tmp_path / "adapter", resume=None, progress=lambda *_: None
    )
    loaded, losses = load(model), []
    from mlx_lm.models.cache import make_prompt_cache

    for line in data.read_text().splitlines():
        ids = loaded.tokenizer.apply_chat_template(json.loads(line)["messages"], return_dict=False)
        out = loaded.model(mx.array([ids[:-1]]), cache=make_prompt_cache(loaded.model))[0]
        chosen = out[mx.arange(len(ids) - 1), mx.array(ids[1:])]
        losses += (mx.logsumexp(out, axis=-1) - chosen).tolist()
    assert facts["first_loss"] == pytest.approx(np.mean(losses), rel=0.02)  # pad tokens count


def test_a_config_may_have_a_list_where_a_number_is_usual(tmp_path: Path) -> None:
    model = tiny.gemma3n(tmp_path, intermediate_size=[256, 256, 384, 384])
    assert json.loads((model / "config.json").read_text())["text_config"]["intermediate_size"][2:]
    loaded = load(model)
    size = bytes_per_sequence(loaded, 100)
    loaded.config["text_config"]["intermediate_size"] = 384
    assert size == bytes_per_sequence(loaded, 100) is not None
    loaded.config["text_config"]["num_attention_heads"] = "four"
    assert bytes_per_sequence(loaded, 100) is None
    assert all(greedy(MlxBackend.open(model, FORM), prompts()))


def test_weights_in_shards_are_the_same_model(tmp_path: Path) -> None:
    model, shards = tiny.llama(tmp_path / "model"), tmp_path / "shards"
    weights: dict[str, Any] = dict(mx.load(str(model / "model.safetensors")))  # type: ignore[arg-type]
    shards.mkdir()
    for file in model.iterdir():
        if "safetensors" not in file.name:
            (shards / file.name).write_bytes(file.read_bytes())
    names = sorted(weights)
    halves = {"model-00001-of-00002.safetensors": names[::2]}
    halves["model-00002-of-00002.safetensors"] = names[1::2]
    for file_name, part in halves.items():
        mx.save_safetensors(str(shards / file_name), {n: weights[n] for n in part})
    places = {name: file for file, part in halves.items() for name in part}
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    check_model(shards, chat=True)
    assert far(logits(model), logits(shards)) == 0
    data = tiny.chats(tmp_path / "train.jsonl", 4)
    stage = Stage(data="", iters=1)
    lora.train_stage(shards, stage, data, tmp_path / "a", resume=None, progress=lambda *_: None)
    lora.fuse(shards, tmp_path / "a", tmp_path / "fused")
    assert far(logits(shards, tmp_path / "a"), logits(tmp_path / "fused")) < 1e-4


@pytest.mark.parametrize("place", ["config.json", "generation_config.json"])
def test_every_end_token_ends_an_answer_before_and_after_fusing(tmp_path: Path, place: str) -> None:
    model = tiny.llama(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    ends = config["eos_token_id"]
    backend = MlxBackend.open(model, FORM)
    (first,) = backend.complete([Request("a", chat("why can we"))], Decoding(max_tokens=12))
    assert first.finish == "length"
    word = backend._loaded.tokenizer.encode(first.text, add_special_tokens=False)[3]
    config["eos_token_id"] = ends[0]
    (model / "config.json").write_text(json.dumps(config))
    given = json.dumps({"eos_token_id": [*ends, word]})
    if place == "config.json":
        (model / place).write_text(json.dumps(config | json.loads(given)))
    else:
        (model / place).write_text(given)
    data = tiny.chats(tmp_path / "train.jsonl", 4)
    stage = Stage(data="", iters=1, learning_rate=1e-9)
    lora.train_stage(model, stage, data, tmp_path / "a", resume=None, progress=lambda *_: None)
    lora.fuse(model, tmp_path / "a", tmp_path / "fused")
    for directory in (model, tmp_path / "fused"):
        backend = MlxBackend.open(directory, FORM)
        assert backend._loaded.tokenizer.eos_token_ids >= {*ends, word}
        (done,) = backend.complete([Request("a", chat("why can we"))], Decoding(max_tokens=12))
        assert (done.finish, done.completion_tokens < 12) == ("stop", True)


@pytest.mark.parametrize("name", [*DENSE, "granite", "olmo2", "glm4", "cohere2", "ministral3"])
def test_dense_transformers_can_be_abliterated(name: str) -> None:
    found = architecture(name)
    assert found is not None
    assert found.why_not_abliterated({}) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "is a mixture of experts") for name in ("mixtral", "qwen3_moe", "gpt_oss")),
        *((name, "is recurrent or hybrid") for name in ("mamba", "lfm2", "jamba", "qwen3_5")),
        ("gpt2", "has blocks without self_attn.o_proj"),
    ],
)
def test_what_cannot_be_abliterated_is_refused_by_name(
    tmp_path: Path, name: str, reason: str
) -> None:
    model = tiny.gemma(tmp_path, layers=2, hidden=64)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **EXPERTS, "model_type": name}))
    check_model(model, chat=True)
    with pytest.raises(BadInput, match=f"abliterated, because architecture '{name}' {reason}"):
        check_model(model, chat=True, abliterated=True)


def test_there_is_no_other_architecture() -> None:
    assert architecture("no_such") is None
    assert architecture("kimi_k2") is not None  # another name of deepseek_v3


PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["truthfulqa"]
[[subjects]]
name = "base"
model = "../../model"
[[subjects]]
name = "abliterated"
from = "base"
[subjects.abliterate]
harmful = "lek:sandbox/abliteration/harmful.jsonl"
harmless = "lek:sandbox/abliteration/harmless.jsonl"
[judges]
default = "none"
"""


@pytest.mark.parametrize("name", ["mixtral", "lfm2"])
def test_a_session_that_would_abliterate_in_vain_ends_before_it_begins(
    project: Project, name: str
) -> None:
    ALL[name](project.path / "model", layers=4, hidden=128)
    (project.path / "evals" / "profiles" / "small.toml").write_text(PROFILE)
    done = project.evaluate("evals")
    assert done.code == 4, done.out
    assert f"cannot be abliterated, because architecture '{name}' is" in done.error
    assert "Traceback" not in done.out and not done.runs
