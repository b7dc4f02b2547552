"""Checks of a model directory by its files: what would fail late, or pass silently."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny
from support.hub import serving
from support.project import PATIENCE, Project, clean_environment, run_code

from lek.errors import BadInput
from lek.models.checks import check_model
from lek.models.weights import load, save

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


def only_gguf(model: Path) -> None:
    for file in model.iterdir():
        file.unlink()
    (model / "small.gguf").write_bytes(b"GGUF")


def empty(name: str) -> Callable[[Path], None]:
    return rewrite(name, "")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (rewrite("config.json", "{"), "config.json: not JSON"),
        (without("config.json"), "config.json: cannot be read"),
        (only_gguf, "to use the GGUF file in this directory, name small.gguf itself"),
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


def extended(more: str = "", **subject: str) -> str:
    """The profile of a model in ``model``, with further keys of the subject and tables."""
    keys = "".join(f"{key} = {value}\n" for key, value in subject.items())
    text = PROFILE.format(model="../../model")
    return text.replace("[judges]", f"{keys}{more}\n[judges]")


def refuse_system(model: Path) -> None:
    file = model / "chat_template.jinja"
    refusal = "{{ raise_exception('no system role here') }}"
    start = "{% if messages[0]['role'] == 'system' %}" + refusal + "{% endif %}"
    file.write_text(start + file.read_text())


def omit_system(model: Path) -> None:
    file = model / "chat_template.jinja"
    loop = "{% for m in messages %}"
    text = file.read_text().replace(loop, "{% for m in messages if m['role'] != 'system' %}")
    file.write_text(text)


def encode_nothing(model: Path) -> None:
    """Leave a tokenizer without a vocabulary, which gives each text the same tokens."""
    from tokenizers import Tokenizer, models

    unk = Tokenizer(models.WordLevel({"<unk>": 3}, unk_token="<unk>"))  # noqa: S106
    unk.save(str(model / "tokenizer.json"))


def long_examples(project: Path, model: Path) -> None:
    tiny.chats(project / "data" / "train.jsonl", 4, length=40)


LORA = '[[subjects]]\nname = "lek"\nfrom = "base"\n[[subjects.lora]]\n'


@pytest.mark.parametrize(
    ("change", "profile", "error"),
    [
        (refuse_system, extended(system='"Be kind."'), "no system role here; delete the subject's"),
        (omit_system, extended(system='"Be kind."'), "omits system messages; delete the subject's"),
        (rewrite("chat_template.jinja", "{{ bos_token }}"), extended(), "omits the prompt"),
        (rewrite("chat_template.jinja", "{% for %}"), extended(), "rejects the prompt: "),
        (rewrite("chat_template.jinja", "{{ messages.a.b }}"), extended(), "rejects the prompt: "),
        (encode_nothing, extended(), "the tokenizer does not encode text"),
        (rewrite("tokenizer.json", "{" + " " * 40 + "}"), extended(), "no model that mlx_lm can"),
        (change_config(intermediate_size=999), extended(), "Expected shape (999, 64)"),
        (change_config(num_hidden_layers=3), extended(), "Missing"),
        (
            without(),
            extended(LORA + 'data = "../../data/train.jsonl"\nmax_seq_length = 32'),
            "train.jsonl: line 1: the prompt alone has",
        ),
        (
            without(),
            extended(LORA + 'data = "../../data/train.jsonl"\nlayers = 9'),
            "layers = 9: the model has 2; give 1 to 2, or -1 for all",
        ),
        (
            without(),
            extended(LORA + 'data = "../../data/train.jsonl"\nbatch_size = 64'),
            "4 examples, fewer than a batch of 64",
        ),
    ],
)
def test_what_would_fail_later_ends_the_session_at_the_start(
    project: Project, built: Path, change: Callable[[Path], None], profile: str, error: str
) -> None:
    model = Path(shutil.copytree(built, project.path / "model"))
    tiny.chats(project.path / "data" / "train.jsonl", 4, length=40)
    change(model)
    (project.path / "evals" / "profiles" / "small.toml").write_text(profile)
    done = project.evaluate("evals")
    assert done.code == 4, done.out
    assert error in done.error
    assert "Traceback" not in done.out and not done.runs
    assert len(done.error.strip().splitlines()) == 1


def test_a_model_that_passed_is_not_tried_again(project: Project, built: Path) -> None:
    model = Path(shutil.copytree(built, project.path / "model"))
    tiny.chats(project.path / "data" / "train.jsonl", 4)
    (project.path / "evals" / "profiles" / "small.toml").write_text(
        extended(LORA + 'data = "../../data/train.jsonl"\niters = 1')
    )
    assert project.evaluate("evals", "--lek-no-gates").code == 0
    code = (
        "import pytest, sys; code = pytest.main(['evals', '--lek-no-gates'])\n"
        "assert not {'mlx', 'mlx_lm', 'transformers'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    again = run_code(project, code)
    assert again.returncode == 0, again.stdout + again.stderr
    rewrite("chat_template.jinja", "{{ bos_token }}")(model)
    assert project.evaluate("evals", "--lek-no-gates").code == 4


@pytest.mark.parametrize("place", ["my [models]", "a[1]", "[x] *?"])
def test_brackets_in_paths_are_no_pattern(project: Project, built: Path, place: str) -> None:
    shutil.copytree(built, project.path / place / "model[0]")
    tiny.chats(project.path / place / "train [a].jsonl", 4)
    lora = LORA + f'data = "../../{place}/train [a].jsonl"\niters = 1'
    profile = extended(lora).replace("../../model", f"../../{place}/model[0]")
    (project.path / "evals" / "profiles" / "small.toml").write_text(profile)
    done = project.evaluate("evals", "--lek-no-gates")
    assert done.code == 0, done.out
    assert {v["response"]["subject"] for v in done.verdicts} == {"base", "lek"}
    (fused,) = project.path.glob(".lek/models/lek-*")
    assert "/tmp" not in (fused / "tokenizer_config.json").read_text()  # noqa: S108


def test_fused_weights_in_brackets_keep_their_end_tokens(built: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(built, tmp_path / "[model]"))
    (model / "generation_config.json").write_text('{"eos_token_id": [1, 5]}')
    save(load(model), tmp_path / "copy", source=model)
    assert (tmp_path / "copy" / "generation_config.json").is_file()


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


def hub_profile(project: Project) -> None:
    text = PROFILE.format(model="some/tiny")
    (project.path / "evals" / "profiles" / "small.toml").write_text(text)


def of_hub(url: str, home: Path, **more: str) -> dict[str, str]:
    return {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **more}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (without("model.safetensors"), "some/tiny: no .safetensors on the hub; name a model"),
        (without("chat_template.jinja"), "no chat template; give an instruction-tuned model"),
        (without("tokenizer.json"), "no tokenizer.json; copy the tokenizer's files"),
        (change_config(model_type="no_such"), "mlx_lm has no architecture 'no_such'"),
    ],
)
def test_a_model_on_the_hub_is_checked_before_its_weights_are_downloaded(
    project: Project, built: Path, tmp_path: Path, change: Callable[[Path], None], error: str
) -> None:
    change(Path(shutil.copytree(built, tmp_path / "hub" / "some" / "tiny")))
    hub_profile(project)
    with serving(tmp_path / "hub") as hub:
        done = project.evaluate("evals", process=True, env=of_hub(hub.url, tmp_path / "home"))
    assert done.code == 4, done.out
    assert error in done.error
    assert "Traceback" not in done.out and not done.runs
    assert not any(request.endswith(".safetensors") for request in hub.asked)


def test_a_model_that_the_hub_refuses_ends_the_session_at_the_start(
    project: Project, tmp_path: Path
) -> None:
    hub_profile(project)
    home = tmp_path / "home"
    with serving(tmp_path) as hub:
        hub.refuse = 401
        done = project.evaluate("evals", process=True, env=of_hub(hub.url, home))
        assert done.code == 4, done.out
        assert "some/tiny: the hub returned HTTP 401; check the name; for a gated" in done.error
        listed = project.evaluate("evals", "--co", process=True, env=of_hub(hub.url, home))
        assert listed.code == 0, listed.out
        env = of_hub(hub.url, home, HF_HUB_OFFLINE="1")
        done = project.evaluate("evals", process=True, env=env)
    assert done.code == 4, done.out
    assert "some/tiny: no directory" in done.error and "HF_HUB_OFFLINE is set" in done.error


def test_the_hub_is_not_needed_for_subjects_that_are_not_asked(
    project: Project, built: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(built, project.path / "model"))
    other = '[[subjects]]\nname = "other"\nmodel = "some/tiny"\n'
    (project.path / "evals" / "profiles" / "small.toml").write_text(extended(other))
    env = of_hub("http://127.0.0.1:9", tmp_path / "home", HF_HUB_OFFLINE="1")
    done = project.evaluate("evals", "-k", "base", "--lek-no-gates", process=True, env=env)
    assert done.code == 0, done.out
    done = project.evaluate("evals", process=True, env=env)
    assert done.code == 4 and "HF_HUB_OFFLINE is set" in done.error
    assert model.is_dir()


def test_a_partial_download_without_a_network_is_no_model(
    project: Project, built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "hub" / "some" / "tiny")
    hub_profile(project)
    home = tmp_path / "home"
    with serving(tmp_path / "hub") as hub:
        env = of_hub(hub.url, home)
        # only the files besides weights are downloaded: the answer is not asked for
        code = (
            "from pathlib import Path; from lek.models.hub import fetch_description\n"
            "print(fetch_description('some/tiny', None, Path('nowhere')))\n"
        )
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=project.path,
            env=clean_environment() | env,
            check=True,
            timeout=PATIENCE,
        )
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        env = of_hub("http://127.0.0.1:9", home, **more)
        done = project.evaluate("evals", process=True, env=env)
        assert done.code == 4, done.out
        assert "some/tiny: no directory" in done.error
        assert "Traceback" not in done.out and not done.runs


def test_a_model_on_the_hub_is_downloaded_and_evaluated(
    project: Project, built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "hub" / "some" / "tiny")
    hub_profile(project)
    with serving(tmp_path / "hub") as hub:
        env = of_hub(hub.url, tmp_path / "home")
        done = project.evaluate("evals", "--lek-no-gates", "-n2", env=env)
        assert done.code == 0, done.out
        hub.asked.clear()
        assert project.evaluate("evals", "--lek-no-gates", process=True, env=env).code == 0
        assert not hub.asked
