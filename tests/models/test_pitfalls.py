"""Silent errors of training, fusing and saving with mlx_lm, which do not occur here.

Where the cause is a bug of mlx_lm, the test shows the bug too, so that it fails once that is fixed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny

from lek.errors import BadInput
from lek.models import chats, lora, weights
from lek.models.lora import fuse, train_stage
from lek.profile.schema import Stage

TOKENS = np.random.default_rng(3).integers(6, 500, (2, 24)).tolist()


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def train(model: Path, data: Path, out: Path, resume: Path | None = None, **settings: Any) -> Any:
    """Train a short stage."""
    wanted = {"iters": 4, "learning_rate": 1e-4} | settings
    stage = Stage(data="data", **wanted)
    return train_stage(model, stage, data, out, resume=resume, progress=silent)


def log_probabilities(model: Any) -> Any:
    """Return the log-probabilities of ``model`` on `TOKENS`, in float32."""
    import mlx.core as mx
    from mlx.nn import log_softmax

    return log_softmax(model(mx.array(TOKENS)).astype(mx.float32))


def divergence(p: Any, q: Any) -> float:
    """KL(p || q) in nat per token."""
    import mlx.core as mx

    return float((mx.exp(p) * (p - q)).sum(-1).mean().item())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven chats to train on and two to validate with."""
    directory = tmp_path_factory.mktemp("data")
    tiny.chats(directory / "train.jsonl", 7)
    tiny.chats(directory / "valid.jsonl", 2, seed=1)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma of two layers."""
    return tiny.gemma(tmp_path_factory.mktemp("model"), layers=2)


@pytest.fixture(scope="module")
def adapter(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter of one stage."""
    out = tmp_path_factory.mktemp("trained") / "adapter"
    train(model, data, out)
    return out


def test_fusing_into_4_bits_would_lose_a_small_adapter(data: Path, tmp_path: Path) -> None:
    import mlx.core as mx
    from mlx.utils import tree_unflatten
    from mlx_lm import load

    model = tiny.gemma(tmp_path / "model", layers=2, bits=4)
    train(model, data, tmp_path / "adapter", learning_rate=1e-5, iters=40)
    paths = {"path_or_hf_repo": str(model), "adapter_path": str(tmp_path / "adapter")}
    base, adapted = weights.load(model).model, load(**paths)[0]
    learnt = divergence(log_probabilities(adapted), log_probabilities(base))

    modules = adapted.named_modules()
    inserted = log_probabilities(adapted)
    mx.eval(inserted)
    requantised = [(n, m.fuse()) for n, m in modules if hasattr(m, "fuse")]
    adapted.update_modules(tree_unflatten(requantised))
    assert divergence(inserted, log_probabilities(adapted)) > learnt / 4

    fuse(model, tmp_path / "adapter", tmp_path / "fused")
    fused = weights.load(tmp_path / "fused").model
    assert learnt > 0
    assert abs(divergence(inserted, log_probabilities(fused))) < learnt / 1000
    assert "quantization" not in json.loads((tmp_path / "fused" / "config.json").read_text())


def test_quantising_again_would_move_what_nothing_touched(data: Path, tmp_path: Path) -> None:
    import mlx.core as mx
    from mlx.utils import tree_flatten

    model = tiny.gemma(tmp_path / "model", layers=2, bits=4)
    layer = weights.load(model).model.model.embed_tokens
    how = {"group_size": layer.group_size, "bits": layer.bits}
    exact = mx.dequantize(layer.weight, layer.scales, layer.biases, **how)
    codes = mx.quantize(exact, **how)[0]
    assert not mx.array_equal(codes, layer.weight).item()

    train(model, data, tmp_path / "adapter", layers=1)
    fuse(model, tmp_path / "adapter", tmp_path / "fused")
    form = weights.NumericFormat(dequantize=True)
    before = dict(tree_flatten(weights.load(model, form).model.parameters()))
    after = dict(tree_flatten(weights.load(tmp_path / "fused").model.parameters()))
    moved = {n for n in before if not mx.array_equal(before[n], after[n]).item()}
    assert before.keys() == after.keys()
    assert moved == {n for n in before if "layers.1." in n and "proj" in n}


def test_all_layers_are_trained_by_default(data: Path, tmp_path: Path) -> None:
    """mlx_lm's default is the last 16 layers: an error with 4 layers, and only some of 26."""
    import mlx.core as mx

    model = tiny.gemma(tmp_path / "model", layers=17, hidden=64)
    train(model, data, tmp_path / "adapter", iters=1)
    names = mx.load(str(tmp_path / "adapter" / lora.WEIGHTS))
    layers = {n.split("layers.")[1].split(".")[0] for n in names}
    assert layers == {str(n) for n in range(17)}
    assert len(names) == 17 * 7 * 2  # q k v o gate up down, and two matrices each


@pytest.mark.parametrize("layers", [0, 3])
def test_layers_that_the_model_has_not_are_refused(
    layers: int, model: Path, data: Path, tmp_path: Path
) -> None:
    """mlx_lm trains all layers if the number is 0."""
    with pytest.raises(BadInput, match=f"^layers = {layers}: the model has 2; "):
        train(model, data, tmp_path / "out", layers=layers)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"rank": 4}, "another rank or other layers"),
        ({"layers": 1}, "another rank or other layers"),
        ({"scale": 10.0}, "^scale = 10: that of .* is 20"),
    ],
    ids=["rank", "layers", "scale"],
)
def test_a_stage_goes_on_only_from_the_same_form(
    settings: dict[str, Any], fault: str, model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    """mlx_lm would use the other rank, drop the other layers, and rescale the adapter."""
    with pytest.raises(BadInput, match=fault):
        train(model, data, tmp_path / "out", adapter, **settings)
    assert not (tmp_path / "out").exists()


def test_a_stage_begins_where_the_one_before_ended(
    model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    from mlx_lm import load
    from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
    from mlx_lm.tuner.trainer import evaluate

    trained, tokenizer = load(str(model), adapter_path=str(adapter))
    rows = chats.read(data / "valid.jsonl").rows
    valid = CacheDataset(ChatDataset(rows, tokenizer, mask_prompt=True))
    result = train(model, data, tmp_path / "out", adapter)
    ended = evaluate(trained, valid, batch_size=2, num_batches=-1)
    assert result["valid"][0] == (0, pytest.approx(ended, rel=1e-6))
    assert result["valid"][-1][1] < ended


def test_no_stage_overwrites_another(model: Path, data: Path, adapter: Path) -> None:
    before = {f.name: f.read_bytes() for f in adapter.iterdir()}
    with pytest.raises(BadInput, match="is not an empty directory"):
        train(model, data, adapter, adapter)
    with pytest.raises(BadInput, match="is not an empty directory"):
        fuse(model, adapter, adapter)
    assert {f.name: f.read_bytes() for f in adapter.iterdir()} == before


def test_no_adapter_is_applied_twice_or_to_other_weights(
    model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    fuse(model, adapter, tmp_path / "fused")
    with pytest.raises(BadInput, match="trained on other weights"):
        train(tmp_path / "fused", data, tmp_path / "out", adapter)
    with pytest.raises(BadInput, match="trained on other weights"):
        fuse(tmp_path / "fused", adapter, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_that_is_not_the_recorded_one_is_refused(
    model: Path, adapter: Path, tmp_path: Path
) -> None:
    for file in adapter.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    raw = (adapter / lora.WEIGHTS).read_bytes()
    (tmp_path / lora.WEIGHTS).write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(BadInput, match=r"does not have the digest of lek\.json"):
        fuse(model, tmp_path, tmp_path / "out")


def test_mlx_lm_trains_one_token_after_the_end() -> None:
    """mlx_lm also trains one <pad> after each answer; kept, so that adapters equal its own."""
    import mlx.core as mx
    from mlx_lm.tuner.trainer import default_loss

    batch, answer = mx.zeros((1, 33), mx.int32), 10
    logits = mx.zeros((1, 32, 7))
    _, counted = default_loss(lambda _: logits, batch, mx.array([[20, 20 + answer]]))
    assert counted.item() == answer + 1


def test_a_prompt_that_leaves_no_room_is_refused(model: Path, data: Path, tmp_path: Path) -> None:
    import mlx.core as mx
    from mlx_lm.tuner.trainer import default_loss

    loss, _ = default_loss(
        lambda _: mx.zeros((1, 15, 7)), mx.zeros((1, 16), mx.int32), mx.array([[16, 16]])
    )
    assert not np.isfinite(loss.item())  # nor would be any weight

    file = tmp_path / "train.jsonl"
    lines = (data / "train.jsonl").read_text().splitlines()
    row = json.loads(lines[2])
    row["messages"][0]["content"] += " cake" * 40
    file.write_text("\n".join([*lines[:2], json.dumps(row), *lines[3:]]))
    length = 10 + 40 + 13  # words of the question, and the tokens of the template around them
    for limit in (length, 40):
        with pytest.raises(
            BadInput, match=rf"train.jsonl: line 3: .* {length} tokens of the {limit} "
        ):
            train(model, file, tmp_path / "out", max_seq_length=limit)
    assert not (tmp_path / "out").exists()
    train(model, file, tmp_path / "out", max_seq_length=length + 1)
    train(model, file, tmp_path / "unmasked", max_seq_length=40, mask_prompt=False)


@pytest.mark.parametrize(("size", "name"), [(8, "train"), (3, "valid")])
def test_fewer_chats_than_a_batch_are_refused(
    size: int, name: str, model: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=rf"{name}.jsonl: \d examples, fewer than a batch of {size}"):
        train(model, data, tmp_path / "out", batch_size=size)


def test_chats_that_are_never_used_are_reported(data: Path, tmp_path: Path) -> None:
    """mlx_lm sorts by the number of keys (instead of length) and drops the same rest each epoch."""
    from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
    from mlx_lm.tuner.trainer import iterate_batches

    lines = (data / "train.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"origin": "a teacher", "id": 5})
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    found = chats.read(tmp_path / "train.jsonl")
    tokenizer = tiny.tokenizer(tmp_path)
    made = CacheDataset(ChatDataset(found.rows, tokenizer, mask_prompt=True))
    stage = Stage(data="data", batch_size=3)
    assert chats.check(found, made, tokenizer, stage) == [
        "train.jsonl: never used, since 7 is not a multiple of the batch size 3: 1 example (line 2)"
    ]
    batches = iterate_batches(made, 3, 2048, loop=True)
    seen = {tuple(row) for _ in range(40) for row in next(batches)[0].tolist()}
    starts = [made[n][0] for n in range(7)]
    used = [n + 1 for n, ids in enumerate(starts) if any(list(s[: len(ids)]) == ids for s in seen)]
    assert used == [1, 3, 4, 5, 6, 7]
    assert chats.check(found, made, tokenizer, Stage(data="data", batch_size=7)) == []

    longest = max(len(made[n][0]) for n in range(7))
    whole, cut = (
        chats.check(found, made, tokenizer, Stage(data="data", batch_size=1, max_seq_length=limit))
        for limit in (longest, longest - 1)
    )
    assert whole == []
    assert cut[0].startswith(f"train.jsonl: cut off after {longest - 1} tokens: ")


def test_validation_changes_the_order_of_the_batches(
    model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    """So the identity of an adapter includes its validation data."""
    settings = {"iters": 7, "batch_size": 1}
    train(model, data, tmp_path / "with", **settings)
    train(model, data / "train.jsonl", tmp_path / "without", **settings)
    one, other = (json.loads((tmp_path / d / "lek.json").read_text()) for d in ("with", "without"))
    assert one["data"].keys() == {"train.jsonl", "valid.jsonl"}
    assert other["data"] == {"train.jsonl": one["data"]["train.jsonl"]}
    settings["iters"] = 14  # the first epoch's order is drawn before the first validation
    a = train(model, data, tmp_path / "with2", **settings)
    b = train(model, data / "train.jsonl", tmp_path / "without2", **settings)
    assert one["digest"] == other["digest"]
    assert a["digest"] != b["digest"]


def test_an_adapter_loads_in_mlx_lm_and_is_what_was_fused(
    model: Path, adapter: Path, tmp_path: Path
) -> None:
    """mlx_lm's ``train`` function does not write adapter_config.json."""
    from mlx_lm import load

    fuse(model, adapter, tmp_path / "fused")
    inserted = log_probabilities(load(str(model), adapter_path=str(adapter))[0])
    fused = log_probabilities(load(str(tmp_path / "fused"))[0])
    base = log_probabilities(load(str(model))[0])
    assert abs(divergence(inserted, fused)) < 1e-6
    assert divergence(inserted, base) > 1e-5


def test_adapters_are_not_nested(model: Path, data: Path, adapter: Path, tmp_path: Path) -> None:
    """Inserting adapters twice would train adapters on adapters."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.tuner.utils import linear_to_lora_layers

    twice = weights.load(model).model
    twice.freeze()
    for _ in range(2):
        linear_to_lora_layers(twice, -1, {"rank": 8, "scale": 20.0, "dropout": 0.0})
    names = [n for n, _ in tree_flatten(twice.trainable_parameters())]
    assert len(names) > 2 * 7 * 2

    train(model, data, tmp_path / "out", adapter)
    assert len(mx.load(str(tmp_path / "out" / lora.WEIGHTS))) == 2 * 7 * 2


@pytest.mark.parametrize(
    ("rate", "iters"), [(1e20, 12), (1e39, 1)], ids=["in a loss", "in the last step"]
)
def test_a_loss_that_is_no_number_leaves_nothing(
    rate: float, iters: int, model: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"^learning_rate = 1e\+\d\d: the loss is not finite"):
        train(model, data, tmp_path / "out", learning_rate=rate, iters=iters, save_every=1)
    assert not (tmp_path / "out").exists()


def test_relative_paths_serve(
    model: Path, data: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "data").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    train(Path("model"), Path("data"), Path("out"))
    fuse(Path("model"), Path("out"), Path("fused"))
    assert Path("out", lora.WEIGHTS).read_bytes() == (adapter / lora.WEIGHTS).read_bytes()
    assert Path("fused", "model.safetensors").is_file()


def test_what_is_not_there_is_not_sought_on_the_hub(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlx_lm.utils

    def download(*_: object, **__: object) -> None:
        raise AssertionError("asked the hub")

    monkeypatch.setattr(mlx_lm.utils, "snapshot_download", download)
    for wanted in ((Path("org/model"), data), (model, Path("org/data"))):
        with pytest.raises(BadInput, match=r"^org/(model|data): "):
            train(*wanted, tmp_path / "out")
    with pytest.raises(BadInput, match=r"^org/adapter: "):
        fuse(model, Path("org/adapter"), tmp_path / "out")


def test_a_saved_model_still_works(model: Path, tmp_path: Path) -> None:
    """By default, mlx_lm's ``save`` empties the model."""
    import mlx.core as mx
    from mlx_lm.utils import save

    loaded = weights.load(model)
    before = log_probabilities(loaded.model)
    weights.save(loaded, tmp_path / "ours", source=model)
    assert mx.array_equal(before, log_probabilities(loaded.model)).item()
    save(tmp_path / "theirs", model, loaded.model, loaded.tokenizer, dict(loaded.config))
    assert loaded.model.model.norm.weight.size == 0


def test_a_fused_model_is_built_from_the_same_settings(
    model: Path, adapter: Path, tmp_path: Path
) -> None:
    """mlx_lm ignores the config keys of transformers 5 (rope_parameters, layer_types)."""
    from mlx_lm.models.gemma3_text import ModelArgs

    fuse(model, adapter, tmp_path / "fused")
    base, fused = (
        ModelArgs.from_dict(json.loads((d / "config.json").read_text()))
        for d in (model, tmp_path / "fused")
    )
    assert base == fused
    assert base.rope_theta == 10_000.0  # not the default
    foreign = {"model_type": "gemma3_text", "rope_parameters": {"rope_theta": 5.0}}
    assert ModelArgs.from_dict(foreign).rope_theta == 1_000_000.0


def test_a_fresh_norm_scales_by_one(model: Path) -> None:
    """mlx_lm initialises Gemma's norms with w = 1, so that the scale 1 + w is 2; here w = 0."""
    from mlx_lm.models.gemma3_text import RMSNorm

    assert RMSNorm(3).weight.tolist() == [1.0] * 3
    norms = [layer.post_attention_layernorm for layer in weights.load(model).model.layers]
    assert norms
    assert all(set(n.weight.tolist()) == {0.0} for n in norms)


def test_a_chat_begins_once(model: Path, data: Path) -> None:
    """The template writes <bos>, and by default the tokenizer adds another one."""
    from mlx_lm.tuner.datasets import ChatDataset

    tokenizer, rows = weights.load(model).tokenizer, chats.read(data / "train.jsonl").rows
    text = tokenizer.apply_chat_template(rows[0]["messages"], tokenize=False)
    assert tokenizer.encode(text).count(tokenizer.bos_token_id) == 2
    made = ChatDataset(rows, tokenizer, mask_prompt=True)
    for row in rows:
        ids, prompt = made.process(row)
        assert ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(ids[prompt:]) == row["messages"][-1]["content"] + "<end_of_turn>\n"


def test_embeddings_that_are_given_are_overwritten(model: Path) -> None:
    """Gemma scales them in place, so they must be copied; the harness never passes any."""
    import mlx.core as mx

    network = weights.load(model).model
    given = network.model.embed_tokens(mx.array(TOKENS))
    before = mx.array(np.array(given))
    mx.eval(network(mx.array(TOKENS), input_embeddings=given))
    assert not mx.array_equal(before, given).item()
    for module in Path(lora.__file__).parent.rglob("*.py"):
        assert "input_embeddings" not in module.read_text(), module
