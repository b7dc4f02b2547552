"""Existing adapters: fused like trained ones; others are refused with what they are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.project import Project

from lek.errors import BadInput
from lek.models import adapters, lora
from lek.models.weights import load
from lek.profile.schema import Stage

PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["toxigen"]
[decoding]
max_tokens = 8
[[subjects]]
name = "base"
model = "../../model"
[[subjects]]
name = "lek"
from = "base"
{lek}
[[subjects]]
name = "lek-composure"
from = "lek"
[[subjects.lora]]
data = "../../chats.jsonl"
iters = 2
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma of two layers."""
    return tiny.gemma(tmp_path_factory.mktemp("model"), layers=2, hidden=64)


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter as `mlx_lm.lora` writes it, without the record of the harness."""
    directory = tmp_path_factory.mktemp("trained")
    file = tiny.chats(directory / "chats.jsonl", 4)
    stage = Stage(data="", iters=4, learning_rate=1e-2)
    out = directory / "adapter"
    lora.train_stage(model, stage, file, out, resume=None, progress=lambda *step: None)
    (out / lora.RECORD).unlink()
    return out


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    """A copy of the adapter that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "adapter"))


def config(adapter: Path, **changes: Any) -> None:
    """Change keys of the adapter's config; ``None`` deletes a key."""
    path = adapter / adapters.CONFIG
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def tensors(adapter: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the tensors of the adapter."""
    import mlx.core as mx

    path = str(adapter / lora.WEIGHTS)
    content: Any = mx.load(path)
    mx.eval(content)
    mx.save_safetensors(path, change(dict(content)))


def test_the_fused_model_is_that_of_a_trained_adapter(
    model: Path, trained: Path, tmp_path: Path
) -> None:
    record = lora.Adapter(
        model=lora.digest_of_weights(model),
        data={},
        stage={},
        resumed=None,
        digest=lora.digest_of(trained / lora.WEIGHTS),
    )
    own = Path(shutil.copytree(trained, tmp_path / "own"))
    lora.write_adapter(own, record)
    lora.fuse(model, own, tmp_path / "one")
    adapters.fuse(model, trained, tmp_path / "two")
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def as_peft(adapter: Path) -> None:
    config(adapter, peft_type="LORA", r=8, lora_alpha=16)
    (adapter / lora.WEIGHTS).rename(adapter / "adapter_model.safetensors")


def as_peft_config(adapter: Path) -> None:
    config(adapter, peft_type="LORA")


def without_tensors(adapter: Path) -> None:
    tensors(adapter, lambda t: {})


def as_peft_weights(adapter: Path) -> None:
    tensors(adapter, lambda t: {
        "base_model." + k.replace("lora_a", "lora_A.weight").replace("lora_b", "lora_B.weight"): v
        for k, v in t.items()
    })  # fmt: skip


def as_dora(adapter: Path) -> None:
    config(adapter, fine_tune_type="dora")


def as_dora_weights(adapter: Path) -> None:
    tensors(adapter, lambda t: t | {k.replace("lora_a", "m"): v[:, 0] for k, v in t.items()})


def as_full(adapter: Path) -> None:
    config(adapter, fine_tune_type="full", lora_parameters=None)


def as_full_weights(adapter: Path) -> None:
    tensors(adapter, lambda t: {k.replace("lora_a", "weight"): v for k, v in t.items()})


def as_nothing(adapter: Path) -> None:
    (adapter / lora.WEIGHTS).unlink()


def as_pointer(adapter: Path) -> None:
    (adapter / lora.WEIGHTS).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )


def as_part(adapter: Path) -> None:
    path = adapter / lora.WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def without_config(adapter: Path) -> None:
    (adapter / adapters.CONFIG).unlink()


def with_a_list_as_config(adapter: Path) -> None:
    (adapter / adapters.CONFIG).write_text("[]")


def without_scale(adapter: Path) -> None:
    config(adapter, lora_parameters={"rank": 8, "alpha": 16, "dropout": 0.0})


def without_layers(adapter: Path) -> None:
    config(adapter, num_layers=None, lora_layers=2)


def of_an_unknown_kind(adapter: Path) -> None:
    config(adapter, fine_tune_type="vera")


UNUSABLE = [
    (as_peft, "an adapter in PEFT's format"),
    (as_peft_config, "an adapter in PEFT's format"),
    (without_tensors, "holds no tensors"),
    (as_peft_weights, "an adapter in PEFT's format"),
    (as_dora, "a DoRA adapter"),
    (as_dora_weights, "a DoRA adapter"),
    (as_full, "the weights of a full fine-tune"),
    (as_full_weights, "the weights of a full fine-tune"),
    (as_nothing, "adapters.safetensors: cannot be read"),
    (as_pointer, "adapters.safetensors: not a safetensors file"),
    (as_part, "bytes of"),
    (without_config, "adapter_config.json: cannot be read"),
    (with_a_list_as_config, "adapter_config.json: not a JSON object"),
    (without_scale, "missing required field `scale`"),
    (without_layers, "missing required field `num_layers`"),
    (of_an_unknown_kind, "vera"),
]


@pytest.mark.parametrize(("change", "fault"), UNUSABLE, ids=[f.__name__ for f, _ in UNUSABLE])
def test_another_kind_of_adapter_is_refused_before_anything_is_loaded(
    change: Callable[[Path], None], fault: str, adapter: Path
) -> None:
    adapters.check(adapter)
    change(adapter)
    with pytest.raises(BadInput) as told:
        adapters.check(adapter)
    assert fault in str(told.value)
    assert str(told.value).startswith(str(adapter))
    assert "\n" not in str(told.value)


def with_another_width(adapter: Path) -> None:
    tensors(adapter, lambda t: {k: v[: len(v) // 2] for k, v in t.items()})


def with_a_layer_too_many(adapter: Path) -> None:
    tensors(adapter, lambda t: t | {k.replace("layers.1", "layers.7"): v for k, v in t.items()})


def with_a_layer_too_few(adapter: Path) -> None:
    tensors(adapter, lambda t: {k: v for k, v in t.items() if "layers.1" in k})


def with_another_rank(adapter: Path) -> None:
    config(adapter, lora_parameters={"rank": 4, "scale": 20.0, "dropout": 0.0})


@pytest.mark.parametrize(
    "change", [with_another_width, with_a_layer_too_many, with_a_layer_too_few, with_another_rank]
)
def test_an_adapter_of_another_model_is_refused(
    change: Callable[[Path], None], adapter: Path, model: Path, tmp_path: Path
) -> None:
    change(adapter)
    with pytest.raises(BadInput, match="an adapter of another model than") as told:
        adapters.fuse(model, adapter, tmp_path / "out")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_an_adapter_that_is_not_finite_is_refused(
    adapter: Path, model: Path, tmp_path: Path
) -> None:
    tensors(adapter, lambda t: {k: v / 0 for k, v in t.items()})
    with pytest.raises(BadInput, match="values that are not finite"):
        adapters.fuse(model, adapter, tmp_path / "out")


@pytest.fixture
def evaluation(project: Project, model: Path, adapter: Path) -> Project:
    """A project whose subject ``lek`` is the base with the existing adapter."""
    shutil.copytree(model, project.path / "model")
    tiny.chats(project.path / "chats.jsonl", 4)
    project.rows("toxigen.jsonl", ({"id": f"X{i}", "prompt": f"people like {i}"} for i in range(3)))
    profile(project, 'adapter = "../../adapter"')
    return project


def profile(project: Project, lek: str) -> None:
    file = project.path / "evals" / "profiles" / "small.toml"
    file.write_text(PROFILE.format(lek=lek))


def test_an_adapter_is_a_subject_and_others_are_derived_from_it(
    evaluation: Project, adapter: Path
) -> None:
    done = evaluation.evaluate("evals")
    assert done.code == 0, done.out
    subjects = {s["name"]: s for s in done.run["subjects"]}
    lek = subjects["lek"]
    assert lek["recipe"] == {
        "from": "base",
        "adapter": "../../adapter",
        "lora": [],
        "prompt": "chat",
    }
    assert lek["build"]["adapter"]["digest"] == lora.digest_of(adapter / lora.WEIGHTS)
    texts = {
        name: [v["response"]["text"] for v in done.verdicts if v["response"]["subject"] == name]
        for name in subjects
    }
    assert texts["lek"] != texts["base"]
    (fused,) = (evaluation.path / ".lek" / "models").glob("lek-" + 16 * "?")
    expected = load(evaluation.path / "model").model.layers[0].self_attn.q_proj.weight
    assert not np.array_equal(
        np.array(load(fused).model.layers[0].self_attn.q_proj.weight), np.array(expected)
    )

    (adapter / "0000001_adapters.safetensors").write_bytes(b"a checkpoint")
    again = evaluation.evaluate("evals")
    fingerprints = [{s["name"]: s["fingerprint"] for s in d.run["subjects"]} for d in (done, again)]
    assert fingerprints[0] == fingerprints[1]

    tensors(adapter, lambda t: {k: v * 2 for k, v in t.items()})
    changed = {s["name"]: s["fingerprint"] for s in evaluation.evaluate("evals").run["subjects"]}
    same = {name for name in changed if changed[name] == fingerprints[0][name]}
    assert same == {"base"}


@pytest.mark.parametrize(
    ("lek", "fault"),
    [
        ('adapter = "../../none"', "lek: adapter: "),
        ('adapter = "../../adapter/adapters.safetensors"', "no such directory"),
        (
            'adapter = "../../adapter"\n[subjects.abliterate]\nharmful = "a"\nharmless = "b"',
            "subjects[1]: has abliterate and adapter",
        ),
        ("", "subjects[1]: the same as base; add abliterate, adapter or lora, or one of"),
    ],
)
def test_an_unusable_adapter_is_a_usage_error(evaluation: Project, lek: str, fault: str) -> None:
    profile(evaluation, lek)
    done = evaluation.evaluate("evals")
    assert done.code == 4
    assert fault in done.error


def test_a_dora_adapter_is_a_usage_error(evaluation: Project, adapter: Path) -> None:
    as_dora(adapter)
    done = evaluation.evaluate("evals")
    assert done.code == 4
    assert "small.toml: lek: adapter: " in done.error
    assert "a DoRA adapter" in done.error
