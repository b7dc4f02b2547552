"""Checks of a model directory by its files: what would fail late, or pass silently."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny
from support.project import Project

from lek.errors import BadInput
from lek.models.checks import check_model

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gemma(tmp_path_factory.mktemp("built") / "model", layers=2, hidden=64)


@pytest.fixture
def model(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "model"))


def rewrite(name: str, text: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / name).write_text(text)

    return change


def change_config(**values: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        file = model / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def cut_off(model: Path) -> None:
    file = model / "model.safetensors"
    os.truncate(file, file.stat().st_size - 100)


def cut_off_in_the_header(model: Path) -> None:
    os.truncate(model / "model.safetensors", 50)


INDEX = "model.safetensors.index.json"


def replace_weights(model: Path) -> None:
    without("model.safetensors", INDEX)(model)
    (model / "pytorch_model.bin").write_bytes(b"a pickle")


def other_shape(model: Path) -> None:
    file = model / "model.safetensors"
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    name = next(n for n in header if n != "__metadata__")
    header[name]["shape"] = [*header[name]["shape"], 2]
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def shards(model: Path) -> None:
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / INDEX).write_text(json.dumps({"weight_map": names}))
    (model / "model.safetensors").rename(model / names["a"])


def without(*names: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        for name in names:
            (model / name).unlink()

    return change


def empty(name: str) -> Callable[[Path], None]:
    return rewrite(name, "")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (rewrite("config.json", "{"), "config.json: not JSON"),
        (without("config.json"), "config.json: cannot be read"),
        (change_config(model_type="no_such"), "mlx_lm has no architecture 'no_such'"),
        (change_config(auto_map={"AutoModel": "x"}), "requires code of its own"),
        (cut_off, "bytes, but its header describes"),
        (cut_off_in_the_header, "empty, cut off or not safetensors"),
        (empty("model.safetensors"), "empty, cut off or not safetensors"),
        (rewrite("model.safetensors", LFS), "a pointer of git-lfs, not the weights"),
        (other_shape, "its header is damaged"),
        (replace_weights, "only pytorch_model.bin, which is not read; convert the weights"),
        (without("model.safetensors"), "model.safetensors missing; download the model again"),
        (without("model.safetensors", INDEX), "no model*.safetensors; add or convert"),
        (shards, "model-00002-of-00002.safetensors missing; download the model again"),
        (rewrite(INDEX, "[]"), "not an index of weights"),
        (without("tokenizer.json"), "no tokenizer.json; copy the tokenizer's files"),
        (rewrite("tokenizer.json", LFS), "a pointer of git-lfs, not the tokenizer"),
        (empty("tokenizer.json"), "empty or cut off"),
        (without("chat_template.jinja"), "no chat template; give an instruction-tuned model"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(
    model: Path, change: Callable[[Path], None], error: str
) -> None:
    change(model)
    with pytest.raises(BadInput) as caught:
        check_model(model, chat=True)
    assert error in str(caught.value)
    assert str(model) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_passes(model: Path) -> None:
    check_model(model, chat=True)
    (model / "chat_template.jinja").unlink()
    check_model(model, chat=False)


@pytest.mark.parametrize("kind", ["mistral", "gemma3_text", "llama", "qwen2", "phi3"])
def test_known_architectures_pass(model: Path, kind: str) -> None:
    change_config(model_type=kind)(model)
    check_model(model, chat=True)


PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["truthfulqa"]
[[subjects]]
name = "base"
model = "{model}"
[judges]
default = "none"
"""


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_session_with_a_broken_model_ends_before_it_begins(
    project: Project, built: Path, way: str
) -> None:
    shutil.copytree(built, project.path / "model")
    cut_off(project.path / "model")
    profile = project.path / "evals" / "profiles" / "small.toml"
    profile.write_text(PROFILE.format(model="../../model"))
    done = project.evaluate("evals", way)
    assert done.code == 4, done.out
    assert "model.safetensors: " in done.error and "download or build the model again" in done.error
    assert "Traceback" not in done.out and not done.runs


def test_a_path_from_where_the_user_stands_is_no_name_of_the_hub(
    project: Project, built: Path
) -> None:
    shutil.copytree(built, project.path / "my" / "model")
    profile = project.path / "evals" / "profiles" / "small.toml"
    profile.write_text(PROFILE.format(model="my/model"))
    done = project.evaluate("evals")
    assert done.code == 4, done.out
    assert "a path is relative to the profile; write '../../my/model'" in done.error
