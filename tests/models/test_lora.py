"""LoRA: adapters and fused models equal those of ``mlx_lm`` byte for byte, and are reproducible."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import tiny

from lek.errors import BadInput
from lek.models import adapters, lora
from lek.models.lora import fuse, train_stage
from lek.profile.schema import Stage

SETTINGS: dict[str, Any] = {"iters": 7, "learning_rate": 1e-3, "save_every": 3, "seed": 5}


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def stage(**settings: Any) -> Stage:
    """Return a stage of a few iterations."""
    return Stage(data="data", **(SETTINGS | settings))


def train(model: Path, data: Path, out: Path, resume: Path | None = None, **settings: Any) -> Any:
    """Train a stage with `SETTINGS`, overridden by ``settings``."""
    return train_stage(model, stage(**settings), data, out, resume=resume, progress=silent)


def mlx_lm(*arguments: str | Path, cwd: Path) -> None:
    """Run ``python -m mlx_lm`` as a user would, without a network.

    It uses the BLAS of this process, because sums of floats differ between BLAS libraries, and no
    mx.compile, because compiling takes 15 seconds the first time.
    """
    env = os.environ | {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1"}
    if tiny.BLAS:
        env["LD_PRELOAD"] = tiny.BLAS
    command = [sys.executable, "-m", "mlx_lm", *map(str, arguments)]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def mlx_lm_lora(model: Path, data: Path, out: Path, made: Stage, *more: str | Path) -> None:
    """Train the stage ``made`` with ``mlx_lm lora``."""
    lora = {"rank": made.rank, "scale": made.scale, "dropout": made.dropout}
    config = out.parent / f"{out.name}.yaml"
    config.write_text(json.dumps({"lora_parameters": lora}))  # YAML is a superset of JSON
    numbers = "iters batch_size learning_rate save_every max_seq_length seed".split()
    options = [x for n in numbers for x in (f"--{n.replace('_', '-')}", str(getattr(made, n)))]
    options += ["--num-layers", str(made.layers), *(["--mask-prompt"] * made.mask_prompt)]
    paths = ["--model", model, "--data", data, "--adapter-path", out, "-c", config]
    mlx_lm("lora", "--train", *paths, *options, *more, cwd=out.parent)


def tensors(directory: Path) -> dict[str, bytes]:
    """Return the bytes of every safetensors file in ``directory``, by name."""
    return {f.name: f.read_bytes() for f in sorted(directory.glob("*.safetensors"))}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma of two layers."""
    return tiny.gemma(tmp_path_factory.mktemp("model"), layers=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven chats to train on and four to validate with."""
    directory = tmp_path_factory.mktemp("data")
    tiny.chats(directory / "train.jsonl", 11)
    tiny.chats(directory / "valid.jsonl", 4, seed=1)
    return directory


@pytest.fixture(scope="module")
def adapter(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter of one stage."""
    out = tmp_path_factory.mktemp("trained") / "adapter"
    train(model, data, out)
    return out


def test_two_stages_are_those_of_mlx_lm(
    model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    mlx_lm_lora(model, data, tmp_path / "theirs", stage())
    assert list(tensors(adapter)) == [
        "0000003_adapters.safetensors",
        "0000006_adapters.safetensors",
        "adapters.safetensors",
    ]
    assert tensors(adapter) == tensors(tmp_path / "theirs")
    ours, theirs = (
        json.loads((d / "adapter_config.json").read_text()) for d in (adapter, tmp_path / "theirs")
    )
    paths = {"model", "data", "adapter_path", "resume_adapter_file", "config"}
    assert ours == {k: v for k, v in theirs.items() if k not in paths}

    # the second stage: one file without validation, other settings, and dropout
    second = {"seed": 6, "learning_rate": 1e-4, "dropout": 0.2, "mask_prompt": False}
    (tmp_path / "alone").mkdir()
    file = tiny.chats(tmp_path / "alone" / "train.jsonl", 6, seed=2)
    train(model, file, tmp_path / "ours2", adapter, **second)
    resume = ("--resume-adapter-file", tmp_path / "theirs" / lora.WEIGHTS)
    mlx_lm_lora(model, file.parent, tmp_path / "theirs2", stage(**second), *resume)
    assert tensors(tmp_path / "ours2") == tensors(tmp_path / "theirs2")
    assert tensors(tmp_path / "ours2") != tensors(adapter)


@pytest.mark.parametrize(
    ("bits", "dtype"), [(None, "float32"), (4, "bfloat16")], ids=["float32", "4-bit"]
)
def test_the_fused_model_is_that_of_mlx_lm(
    bits: int | None, dtype: str, data: Path, tmp_path: Path
) -> None:
    model = tiny.gemma(tmp_path / "model", layers=2, bits=bits, dtype=dtype)
    (model / "generation_config.json").write_text('{"max_length": 99}')
    train(model, data, tmp_path / "adapter")
    fuse(model, tmp_path / "adapter", tmp_path / "ours")
    paths = ["--model", model, "--adapter-path", tmp_path / "adapter"]
    mlx_lm("fuse", "--dequantize", *paths, "--save-path", tmp_path / "theirs", cwd=tmp_path)
    ours, theirs = (
        {f.name: f.read_bytes() for f in (tmp_path / side).iterdir()} for side in ("ours", "theirs")
    )
    for files in (ours, theirs):  # transformers records whether HF_HUB_OFFLINE was set
        lines = files["tokenizer_config.json"].splitlines()
        files["tokenizer_config.json"] = b"".join(x for x in lines if b"local_files_only" not in x)
    assert ours == theirs
    assert "model.safetensors" in ours
    assert "quantization" not in json.loads(ours["config.json"])


def test_an_existing_adapter_is_fused_as_by_mlx_lm(data: Path, tmp_path: Path) -> None:
    model = tiny.gemma(tmp_path / "model", layers=3, bits=4, dtype="bfloat16")
    settings = stage(layers=2, rank=4, scale=10.0, iters=3)
    mlx_lm_lora(model, data, tmp_path / "adapter", settings)
    facts = adapters.fuse(model, tmp_path / "adapter", tmp_path / "ours")
    paths = ["--model", model, "--adapter-path", tmp_path / "adapter"]
    mlx_lm("fuse", "--dequantize", *paths, "--save-path", tmp_path / "theirs", cwd=tmp_path)
    assert tensors(tmp_path / "ours") == tensors(tmp_path / "theirs")
    assert facts == {
        "digest": lora.digest_of(tmp_path / "adapter" / lora.WEIGHTS),
        "num_layers": 2,
        "lora_parameters": {"rank": 4, "scale": 10.0, "dropout": 0.0},
    }


def test_a_llama_with_fewer_layers_trained_is_that_of_mlx_lm(data: Path, tmp_path: Path) -> None:
    model = tiny.llama(tmp_path / "model", layers=3, dtype="bfloat16")
    settings = {"layers": 2, "rank": 4, "scale": 10.0, "batch_size": 3, "iters": 4}
    train(model, data, tmp_path / "ours", **settings)
    mlx_lm_lora(model, data, tmp_path / "theirs", stage(**settings))
    assert tensors(tmp_path / "ours") == tensors(tmp_path / "theirs")


def test_compiled_training_gives_the_same_bytes(model: Path, data: Path, tmp_path: Path) -> None:
    """On a CPU the harness trains without mx.compile; mlx_lm compiles if there is a compiler."""
    import mlx.core as mx

    if mx.default_device() != mx.cpu or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("training is left uncompiled only on an x86 CPU")
    mx.disable_compile()
    train(model, data, tmp_path / "plain", iters=2, dropout=0.1)
    try:
        mx.enable_compile()
        train(model, data, tmp_path / "compiled", iters=2, dropout=0.1)
    finally:
        mx.disable_compile()
    assert tensors(tmp_path / "plain") == tensors(tmp_path / "compiled")


def test_what_ran_before_makes_no_difference(
    model: Path, data: Path, adapter: Path, tmp_path: Path
) -> None:
    import mlx.core as mx
    import numpy as np

    mx.random.seed(1234)
    mx.eval(mx.random.normal((99,)))
    np.random.seed(77)
    np.random.permutation(50)
    train(model, data, tmp_path / "again")
    assert tensors(tmp_path / "again") == tensors(adapter)
    train(model, data, tmp_path / "other", seed=6)
    assert tensors(tmp_path / "other") != tensors(adapter)


def test_the_result_reports_the_losses(
    model: Path, data: Path, adapter: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[tuple[str, int, int]] = []
    result = train_stage(
        model,
        stage(iters=23, mask_prompt=False, max_seq_length=20),  # chats have about 30 tokens
        data,
        tmp_path / "out",
        resume=adapter,
        progress=lambda *step: steps.append(step),
    )
    assert capfd.readouterr() == ("", "")
    assert steps == [("LoRA", n, 23) for n in range(1, 24)]
    record = json.loads((tmp_path / "out" / "lek.json").read_text())
    assert result["iterations"] == 23
    assert 0 < result["last_loss"] < result["first_loss"]
    assert [n for n, _ in result["valid"]] == [0, 22]
    assert result["tokens"] == 23 * 2 * 19  # the first token is not predicted
    assert result["seconds"] > 0
    assert result["digest"] == record["digest"]
    assert result["digest"] == lora.digest_of(tmp_path / "out" / lora.WEIGHTS)
    assert record["resumed"] == lora.digest_of(adapter / lora.WEIGHTS)
    assert record["model"] == lora.digest_of_weights(model)
    assert record["stage"]["iters"] == 23
    assert set(record["data"]) == {"train.jsonl", "valid.jsonl"}
    assert result["notes"] == [
        "train.jsonl: cut off after 20 tokens: 11 examples (lines 1, 2, 3, 4, 5, ...)",
        "train.jsonl: never used, since 11 is not a multiple of the batch size 2: "
        "1 example (line 11)",
        "valid.jsonl: cut off after 20 tokens: 4 examples (lines 1, 2, 3, 4)",
    ]


def test_an_interrupted_training_leaves_nothing(model: Path, data: Path, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done == 4:  # after the first checkpoint
            assert [*tmp_path.glob(".out.*.tmp/0000003_adapters.safetensors")]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stage(model, stage(), data, tmp_path / "out", resume=None, progress=interrupt)
    assert not [*tmp_path.glob("*out*")]

    from mlx_lm.tuner import trainer

    assert trainer.TrainUI.__name__ == "TrainUI"  # mlx_lm's own display is restored


def test_a_killed_training_leaves_no_adapter(model: Path, adapter: Path, tmp_path: Path) -> None:
    """After SIGKILL all files may exist but the record, which is written last."""
    for file in adapter.iterdir():
        if file.name != lora.RECORD:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(BadInput, match="no complete adapter"):
        fuse(model, tmp_path, tmp_path / "out")


CHAT = '{"messages": [{"role": "user", "content": "why"}, {"role": "assistant", "content": "so"}]}'
BAD_LINES = {
    "no JSON": ("{", "not a chat"),
    "a blank line": ("", "not a chat"),
    "no UTF-8": (b'{"messages": "\xff"}', "not UTF-8"),
    "no object": ("[]", "not a chat"),
    "no messages": ('{"prompt": "why", "completion": "so"}', "not a chat"),
    "one message": ('{"messages": [{"role": "assistant", "content": "so"}]}', "not a chat"),
    "no content": (CHAT.replace('"content": "so"', '"text": "so"'), "not a chat"),
    "a number": (CHAT.replace('"so"', "5"), "not a chat"),
    "an empty answer": (CHAT.replace('"so"', '""'), "not a chat"),
    "a role of its own": (CHAT.replace("assistant", "model"), "not a chat"),
    "the user last": (CHAT.replace("assistant", "user"), "the last message is the user's"),
    "a second reading": (
        CHAT.replace("]}", '], "prompt": "why", "completion": "no"}'),
        "which mlx_lm would train on instead",
    ),
}


@pytest.mark.parametrize(("line", "fault"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_is_not_a_chat_is_an_error(
    line: str | bytes, fault: str, model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "train.jsonl"
    bad = line.encode() if isinstance(line, str) else line
    file.write_bytes(b"\n".join([CHAT.encode(), bad, CHAT.encode(), b""]))
    with pytest.raises(BadInput, match=rf"^{re.escape(str(file))}: line 2: .*{fault}") as told:
        train(model, tmp_path, tmp_path / "out")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


FORMS: dict[str, tuple[dict[str, str], bool]] = {
    "completions": ({"prompt": "why {}", "completion": "so {}"}, True),
    "completions, unmasked": ({"prompt": "why {}", "completion": "so {}"}, False),
    "texts": ({"text": "why is it {}"}, False),
}


def write_examples(file: Path, example: dict[str, str], n: int = 6) -> Path:
    """Write ``n`` examples, each with another word in the place of ``{}``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = ({k: v.format(tiny.WORDS[i]) for k, v in example.items()} for i in range(n))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize(("example", "mask"), FORMS.values(), ids=FORMS)
def test_other_forms_of_examples_train_as_in_mlx_lm(
    example: dict[str, str], mask: bool, model: Path, tmp_path: Path
) -> None:
    write_examples(tmp_path / "data" / "train.jsonl", example)
    write_examples(tmp_path / "data" / "valid.jsonl", example, n=2)
    settings: dict[str, Any] = {"mask_prompt": mask, "iters": 4}
    train(model, tmp_path / "data", tmp_path / "ours", **settings)
    mlx_lm_lora(model, tmp_path / "data", tmp_path / "theirs", stage(**settings))
    assert tensors(tmp_path / "ours") == tensors(tmp_path / "theirs")


def test_a_prompt_and_its_completion_are_a_chat(model: Path, tmp_path: Path) -> None:
    write_examples(tmp_path / "completions.jsonl", {"prompt": "why {}", "completion": "so {}"})
    rows = map(json.loads, (tmp_path / "completions.jsonl").read_text().splitlines())
    (tmp_path / "chats.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": row["prompt"]},
                        {"role": "assistant", "content": row["completion"]},
                    ],
                    "prompt": None,  # columns of another form, as in a table of several
                    "completion": None,
                }
            )
            + "\n"
            for row in rows
        )
    )
    for name in ("chats", "completions"):
        train(model, tmp_path / f"{name}.jsonl", tmp_path / name)
    assert tensors(tmp_path / "chats") == tensors(tmp_path / "completions")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            ['{"question": "why", "answer": "so"}'],
            "line 1: has the keys question, answer; expected",
        ),
        (["{}"], "line 1: has the keys none; expected"),
        (['["why"]'], "line 1: not an example"),
        (['{"prompt": "why"}'], "line 1: has the keys prompt; expected"),
        (['{"prompt": "why", "completion": ""}'], "line 1: not a completion"),
        (['{"prompt": "why", "completion": "so"}', CHAT], "line 2: not a completion"),
        (['{"text": "why"}', '{"text": ["so"]}'], "line 2: not a text"),
        (
            ['{"text": "why"}'] * 2,
            "texts have no prompt that could be masked; give lora.mask_prompt",
        ),
    ],
)
def test_examples_without_one_of_the_forms_are_an_error(
    lines: list[str], fault: str, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    with pytest.raises(BadInput, match=re.escape(fault)) as told:
        train(model, tmp_path, tmp_path / "out")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


TURN = "<start_of_turn>model\n"
TEMPLATES = {  # the end of the prompt, the beginning of the answer in a finished chat
    "a thought is opened in the prompt alone": (f"{TURN}<think>\n", TURN),
    "a thought is closed in the prompt alone": (f"{TURN}<think></think>", TURN),
    "the last space becomes part of the answer": (f"{TURN}Answer: ", f"{TURN}Answer: "),
    "the prompt is longer than the whole chat": (f"{TURN}{'<think>' * 50}", TURN),
}


def with_template(directory: Path, prompt: str, answer: str) -> Path:
    """A model whose chat template ends the prompt and begins the answer with these texts."""
    model = tiny.gemma(directory, layers=1)
    (model / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}"
        f"{{{{ {answer!r} }}}}{{% else %}}{{{{ '<start_of_turn>user\n' }}}}{{% endif %}}"
        "{{ m['content'] }}{{ '<end_of_turn>\n' }}{% endfor %}"
        f"{{% if add_generation_prompt %}}{{{{ {prompt!r} }}}}{{% endif %}}"
    )
    return model


@pytest.mark.parametrize(("prompt", "answer"), TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("form", ["chats", "completions"])
def test_a_prompt_that_does_not_begin_the_chat_cannot_be_masked(
    prompt: str, answer: str, form: str, data: Path, tmp_path: Path
) -> None:
    model, file = with_template(tmp_path / "model", prompt, answer), data
    if form == "completions":
        file = write_examples(tmp_path / "c.jsonl", {"prompt": "why {}", "completion": "so {}"})
    with pytest.raises(BadInput, match=r"^\S+: line 1: the chat template continues") as told:
        train(model, file, tmp_path / "out")
    assert "lora.mask_prompt = false" in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()
    train(model, file, tmp_path / "out", mask_prompt=False, iters=1)


def test_the_message_shows_where_prompt_and_chat_differ(data: Path, tmp_path: Path) -> None:
    model = with_template(tmp_path / "model", f"{TURN}<think>", TURN)
    with pytest.raises(BadInput) as told:
        train(model, data, tmp_path / "out")
    words = json.loads((data / "train.jsonl").read_text().splitlines()[0])["messages"][1]["content"]
    assert "continues the prompt with '<think>' when" in str(told.value)
    assert f"but with '{words.split()[0]}" in str(told.value)


@pytest.mark.parametrize("answer", [TURN, f"{TURN}<think>\n\n</think>\n\n"])
def test_a_prompt_that_begins_the_chat_is_masked(answer: str, data: Path, tmp_path: Path) -> None:
    model = with_template(tmp_path / "model", TURN, answer)
    train(model, data, tmp_path / "ours", iters=2)
    mlx_lm_lora(model, data, tmp_path / "theirs", stage(iters=2))
    assert tensors(tmp_path / "ours") == tensors(tmp_path / "theirs")


def test_missing_files_are_an_error(model: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    for source, fault in {
        tmp_path: "train.jsonl: cannot be read",
        tmp_path / "none.jsonl": "none.jsonl: cannot be read",
        tmp_path / "empty.jsonl": "is empty",
    }.items():
        with pytest.raises(BadInput, match=fault):
            train(model, source, tmp_path / "out")
    with pytest.raises(BadInput, match=r"no model\*.safetensors"):
        train(tmp_path, data, tmp_path / "out")
    with pytest.raises(BadInput, match="no complete adapter"):
        train(model, data, tmp_path / "out", tmp_path)


def test_a_chat_that_the_template_rejects_is_an_error(data: Path, tmp_path: Path) -> None:
    model = tiny.gemma(tmp_path / "model", layers=1)
    template = model / "chat_template.jinja"
    template.write_text("{{ raise_exception('no system here') }}" + template.read_text())
    with pytest.raises(BadInput, match=r"train.jsonl: line 1: .*no system here"):
        train(model, data, tmp_path / "out")


def test_a_model_with_code_of_its_own_is_refused(data: Path, tmp_path: Path) -> None:
    model = tiny.gemma(tmp_path / "model", layers=1)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"model_file": "mine.py"}))
    (model / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(BadInput, match="code of its own"):
        train(model, data, tmp_path / "out")
    assert not (tmp_path / "ran").exists()
