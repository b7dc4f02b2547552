"""GGUF files: the same model and the same tokens as where they come from, or one line why not."""

import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from support import llama_cpp, tiny

from lek.errors import BadInput
from lek.generation.responses import SubjectResponses
from lek.models import recipes
from lek.models.build import Builder
from lek.models.gguf.conversion import check, convert, stored_dtype
from lek.models.gguf.file import read
from lek.models.gguf.tokenizer import GGUFTokenizer
from lek.models.weights import load
from lek.profile.loading import load as load_profile
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

IDS = [[5, 300, 17, 42, 8, 99, 256, 31, 7, 12, 64, 128, 3, 77, 150, 201]]
GEMMA = {"layers": 4, "sliding_window": 4}
QWEN = {"architectures": ["Qwen2ForCausalLM"], "rope_theta": 1e6}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MODELS: dict[str, Callable[[Path], Path]] = {
    "llama": lambda d: tiny.llama(d, layers=2, hidden=64, sigma=0.3),
    "llama, wide heads": lambda d: tiny.llama(d, layers=1, hidden=64, head_dim=64),
    "llama, untied": lambda d: tiny.llama(d, layers=1, hidden=64, tie_word_embeddings=False),
    "llama, biases": lambda d: tiny.llama(
        d, layers=1, hidden=64, sigma=0.3, attention_bias=True, mlp_bias=True
    ),
    "llama, linear": lambda d: tiny.llama(
        d, layers=1, hidden=64, rope_scaling={"rope_type": "linear", "factor": 4.0}
    ),
    "llama 3": lambda d: tiny.llama(d, layers=2, hidden=64, rope_scaling=LLAMA3),
    "qwen2": lambda d: tiny.llama(d, layers=2, hidden=128, sigma=0.3, model_type="qwen2", **QWEN),
    "qwen2, yarn": lambda d: tiny.llama(
        d,
        layers=1,
        hidden=128,
        sigma=0.3,
        model_type="qwen2",
        rope_scaling={
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 512,
        },
        **QWEN,
    ),
    "qwen3": lambda d: tiny.llama(d, layers=2, hidden=64, sigma=0.3, model_type="qwen3"),
    "qwen3, untied": lambda d: tiny.llama(
        d, layers=1, hidden=64, model_type="qwen3", tie_word_embeddings=False
    ),
    "gemma3": lambda d: tiny.gemma(d, hidden=64, sigma=0.3, **GEMMA),
    "gemma3, pattern of 3": lambda d: tiny.gemma(
        d, hidden=64, sigma=0.3, sliding_window_pattern=3, rope_theta=1e6, **GEMMA
    ),
    "gemma3, linear": lambda d: tiny.gemma(
        d, hidden=64, rope_scaling={"rope_type": "linear", "factor": 8.0}, **GEMMA
    ),
}


def scaling(directory: Path) -> dict[str, Any]:
    """What a model's scaling of positions is in a GGUF file."""
    config = json.loads((directory / "config.json").read_text())
    architecture = config["model_type"].removesuffix("_text")
    match config.get("rope_scaling"):
        case {"rope_type": "linear", "factor": factor}:
            return {f"{architecture}.rope.scaling.factor": factor}
        case {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": length}:
            return {
                f"{architecture}.rope.scaling.type": "yarn",
                f"{architecture}.rope.scaling.factor": factor,
                f"{architecture}.rope.scaling.original_context_length": length,
            }
    return {}


def frequency_factors(head_dim: int = 32, theta: float = 10_000.0) -> np.ndarray:
    """What llama.cpp's converter stores for ``LLAMA3``."""
    lengths = 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    context, factor = LLAMA3["original_max_position_embeddings"], LLAMA3["factor"]
    smooth = np.clip((context / lengths - 1.0) / (4.0 - 1.0), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def converted(file: Path, out: Path, dtype: Any = "float32") -> Path:
    out.mkdir()
    convert(file, out, dtype)
    return out


def logits(directory: Path) -> np.ndarray:
    import mlx.core as mx

    return np.array(load(directory).model(mx.array(IDS)).astype(mx.float32))[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_read_back_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    original = MODELS[name](tmp_path / "original")
    tensors = {"rope_freqs.weight": frequency_factors()} if name == "llama 3" else None
    file = llama_cpp.write(
        original, tmp_path / "m.gguf", metadata=scaling(original), tensors=tensors
    )
    again = converted(file, tmp_path / "again")
    np.testing.assert_allclose(logits(again), logits(original), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gemma3"])
def test_quantised_logits_are_those_of_the_dequantised_weights(
    name: str, kind: str, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    original = MODELS[name](tmp_path / "original")
    file = llama_cpp.write(original, tmp_path / "m.gguf", kind)
    weights = load_file(original / "model.safetensors")
    stored = GGMLQuantizationType[kind]
    rounded = {
        n: dequantize(quantize(w, stored), stored) if w.ndim == 2 else w for n, w in weights.items()
    }
    before = logits(original)
    save_file(rounded, original / "model.safetensors", {"format": "mlx"})
    after = logits(converted(file, tmp_path / "again"))
    np.testing.assert_allclose(after, logits(original), rtol=1e-4, atol=1e-5)
    assert np.corrcoef(after.ravel(), before.ravel())[0, 1] > (0.9 if "4" in kind else 0.97)


def dequantised_kinds() -> list[GGMLQuantizationType]:
    kinds = []
    for kind, (_, size) in GGML_QUANT_SIZES.items():
        try:
            dequantize(np.zeros((1, size), np.uint8), kind)
        except NotImplementedError:
            continue
        kinds.append(kind)
    return kinds


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # random bytes: scales that are not finite
@pytest.mark.parametrize("kind", dequantised_kinds(), ids=lambda kind: kind.name)
def test_every_type_that_can_be_dequantised_is_read(
    kind: GGMLQuantizationType, tmp_path: Path
) -> None:
    import mlx.core as mx
    from gguf import GGUFWriter

    original = tiny.llama(tmp_path / "original", layers=1, hidden=256)
    file = llama_cpp.write(original, tmp_path / "f32.gguf")
    header = read(file)
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    for key, value in header.metadata.items():
        if key != "general.architecture":
            llama_cpp.add(writer, key, value.tolist() if isinstance(value, np.ndarray) else value)
    block, size = GGML_QUANT_SIZES[kind]
    random_bytes = np.random.default_rng(0)
    expected = np.zeros(0)
    for name, tensor in header.tensors.items():
        shape = tensor.shape
        if name != "blk.0.ffn_up.weight":
            writer.add_tensor(name, header.stored(tensor).view("<f4").reshape(shape))
            continue
        stored = random_bytes.integers(0, 256, (shape[0], shape[1] // block * size), np.uint8)
        expected = dequantize(stored, kind)
        writer.add_tensor(name, stored, raw_shape=stored.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    again = converted(tmp_path / "m.gguf", tmp_path / "again")
    weights = mx.load(str(again / "model.safetensors"))
    np.testing.assert_array_equal(np.array(weights["model.layers.0.mlp.up_proj.weight"]), expected)


@pytest.mark.parametrize(
    ("kind", "stored"), [("F32", "float32"), ("F16", "float16"), ("Q8_0", "bfloat16")]
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_have_the_dtype_that_is_asked_for(
    kind: str, stored: str, dtype: str, tmp_path: Path
) -> None:
    import mlx.core as mx

    original = tiny.llama(tmp_path / "original", layers=1, hidden=64, sigma=0.3)
    file = llama_cpp.write(original, tmp_path / "m.gguf", kind)
    assert stored_dtype(file) == stored
    exact = mx.load(str(converted(file, tmp_path / "exact") / "model.safetensors"))
    weights = mx.load(str(converted(file, tmp_path / "again", dtype) / "model.safetensors"))
    assert weights.keys() == exact.keys()
    for name, weight in weights.items():
        assert weight.dtype == getattr(mx, dtype)
        assert mx.array_equal(weight, exact[name].astype(weight.dtype))


def test_the_model_directory_is_complete(tmp_path: Path) -> None:
    original = tiny.gemma(tmp_path / "original", layers=2, hidden=64)
    again = load(converted(llama_cpp.write(original, tmp_path / "m.gguf"), tmp_path / "again"))
    before = load(original)
    chat = [{"role": "user", "content": "why is the river light?"}]
    for prompt in (
        lambda t: t.apply_chat_template(chat, add_generation_prompt=True),
        lambda t: t.encode("tell me a tree"),
        lambda t: t.encode("tell me a tree", add_special_tokens=False),
    ):
        assert prompt(again.tokenizer) == prompt(before.tokenizer)
    assert again.tokenizer.eos_token_ids == before.tokenizer.eos_token_ids
    assert again.tokenizer.bos_token == before.tokenizer.bos_token
    assert type(again.tokenizer.detokenizer) is type(before.tokenizer.detokenizer)


# Files that cannot be converted


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``llama`` model of one layer, to be written with mistakes."""
    return tiny.llama(tmp_path_factory.mktemp("small"), layers=1, hidden=64)


@pytest.fixture(scope="module")
def whole(small: Path) -> Path:
    return llama_cpp.write(small, small / "m.gguf")


def refusal(file: Path) -> str:
    """The message of the refusal of ``file``, without its path."""
    with pytest.raises(BadInput) as error:
        check(file)
    message = str(error.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("metadata", "tensors", "message"),
    [
        ({"general.architecture": "mamba"}, {}, "the architecture 'mamba' is not supported"),
        ({"general.architecture": "a\nb" * 999}, {}, "the architecture 'a\\nba\\nba"),
        ({"split.count": 3, "split.no": 0}, {}, "one of 3 parts of a model; merge them"),
        ({"llama.expert_count": 8}, {}, "mixtures of experts are not supported"),
        ({"llama.block_count": None}, {}, "the metadata lacks llama.block_count"),
        ({"llama.block_count": 2}, {}, "tensor blk.1.attn_q.weight is missing"),
        ({"llama.block_count": 2**31}, {}, "block_count = 2147483648: there are fewer tensors"),
        ({"llama.block_count": "1"}, {}, "llama.block_count is not an integer"),
        ({"llama.block_count": 1.5}, {}, "llama.block_count is not an integer"),
        ({"llama.attention.head_count": 0}, {}, "num_attention_heads = 0"),
        ({"llama.attention.head_count": [4, 2]}, {}, "head_count is not an integer"),
        ({"llama.attention.head_count_kv": 3}, {}, "4 heads of 32 values with 3 heads of keys"),
        ({"llama.embedding_length": 128}, {}, "tensor token_embd.weight has the shape"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, {}, "not a finite number"),
        ({"llama.rope.dimension_count": 8}, {}, "rope.dimension_count = 8 is not supported"),
        ({"llama.rope.scaling.type": "su"}, {}, "rope.scaling.type = 'su' is not supported"),
        ({"llama.rope.scaling.alpha": 2.0}, {}, "llama.rope.scaling.alpha is not supported"),
        ({"tokenizer.ggml.model": None}, {}, "the metadata lacks tokenizer.ggml.model"),
        ({"tokenizer.ggml.tokens": list("abc" * 900)}, {}, "two tokens have the same text"),
        ({"tokenizer.ggml.tokens": [str(i) for i in range(9999)]}, {}, "has 9999 tokens, but the"),
        ({}, {"token_embd.weight": None}, "tensor token_embd.weight is missing"),
        ({}, {"blk.0.ffn_up.weight": None}, "tensor blk.0.ffn_up.weight is missing"),
        ({}, {"blk.0.extra": np.ones(4, np.float32)}, "blk.0.extra is not part of a llama model"),
        ({}, {"rope_freqs.weight": np.ones(4, np.float32)}, "no vector of 16 floats"),
    ],
)
def test_a_model_that_is_not_supported_is_refused_in_one_line(
    metadata: dict[str, Any],
    tensors: dict[str, np.ndarray | None],
    message: str,
    small: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "m.gguf"
    llama_cpp.write(small, file, metadata=metadata, tensors=tensors)
    assert message in refusal(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gemma3.final_logit_softcapping": 30.0}, "final_logit_softcapping is not supported"),
        (
            {"gemma3.attention.sliding_window_pattern": None, "gemma3.rope.freq_base": 1e6},
            "of 4 layers none attends to all tokens",
        ),
        (
            {"gemma3.attention.sliding_window_pattern": [True, False, False, True]},
            "sliding_window_pattern is irregular",
        ),
    ],
)
def test_a_gemma_that_is_not_supported_is_refused_in_one_line(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    original = MODELS["gemma3"](tmp_path / "original")
    assert message in refusal(llama_cpp.write(original, tmp_path / "m.gguf", metadata=changes))


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"attention.sliding_window_pattern": [True, False, True, False]}, 2),
        ({"attention.sliding_window_pattern": [True, True, True, False]}, 4),
        ({"attention.sliding_window": None}, 1),
        ({"attention.sliding_window_pattern": None}, 4),  # within the window
    ],
)
def test_the_layers_of_gemma_that_attend_to_all_tokens(
    changes: dict[str, Any], pattern: int, tmp_path: Path
) -> None:
    original = MODELS["gemma3"](tmp_path / "original")
    metadata = {f"gemma3.{key}": value for key, value in changes.items()}
    file = llama_cpp.write(original, tmp_path / "m.gguf", metadata=metadata)
    again = converted(file, tmp_path / "again")
    assert json.loads((again / "config.json").read_text())["sliding_window_pattern"] == pattern
    logits(again)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file"),
        (b"GGUF", "cut off within the header"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "GGUF version 1;"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "GGUF version 50331648;"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "cut off within the header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "cut off within the header"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62) + bytes(99), "cut off within the header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "the metadata lacks general.architecture"),
        (b"GGUF" + struct.pack("<IQQQ2s", 3, 0, 1, 2, b"\xff\xfe") + bytes(9), "is not UTF-8"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 4, 2**62),
            "cut off within the header",
        ),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 9, 1), "unsupported type 9"),
        (b"GGUF" + struct.pack("<IQQQ1sIQ", 3, 0, 1, 1, b"a", 77, 0), "unsupported type 77"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 32, 99, 0),
            "tensor a has the unknown type 99",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 31, 8, 0),
            "tensor a has the shape (31,); expected rows of 32 values",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 2**60, 0, 0),
            "cut off: tensor a ends at byte",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 5, 1, 0, 0),
            "tensor a has 5 dimensions",
        ),
    ],
)
def test_a_file_that_is_no_whole_gguf_is_refused_in_one_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(content)
    assert message in refusal(file)


def test_a_file_that_is_cut_off_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    content, file = whole.read_bytes(), tmp_path / "m.gguf"
    lengths = np.random.default_rng(0).integers(0, len(content) - 32, 60).tolist()
    for length in [*range(4, 400, 7), *lengths]:
        file.write_bytes(content[:length])
        assert refusal(file).startswith("cut off")


def test_a_type_that_cannot_be_dequantised_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    name = content.index(b"blk.0.ffn_up.weight") + len("blk.0.ffn_up.weight")
    content[name + 20 : name + 24] = struct.pack("<I", GGMLQuantizationType.I32)
    (tmp_path / "m.gguf").write_bytes(content)
    message = refusal(tmp_path / "m.gguf")
    assert message == "tensor blk.0.ffn_up.weight has the type I32, which cannot be dequantised"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_header_with_a_changed_byte_is_converted_or_refused_in_one_line(
    whole: Path, tmp_path: Path
) -> None:
    content = whole.read_bytes()
    header = content.index(b"output_norm.weight") + 60  # beyond the metadata
    rng, file, refused = np.random.default_rng(1), tmp_path / "m.gguf", 0
    for position in rng.integers(4, header, 300).tolist():
        changed = bytearray(content)
        changed[position] = int(rng.integers(256))
        file.write_bytes(changed)
        try:
            check(file)
            GGUFTokenizer(read(file)).build()
        except BadInput as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 30


# In a profile

PROFILE = """
[data]
source = "path"
dir = "data"
[[subjects]]
name = "base"
model = "{model}"
{more}
[[subjects]]
name = "lek"
from = "base"
[[subjects.lora]]
data = "train.jsonl"
iters = 2
[judges]
default = "none"
gsm8k = "exact"
"""


def builder(directory: Path, model: str, more: str = "") -> Builder:
    tiny.chats(directory / "train.jsonl", 6)
    (directory / "p.toml").write_text(PROFILE.format(model=model, more=more))
    loaded = load_profile(directory / "p.toml")
    recipes.check(loaded)
    workspace = Workspace(directory / ".lek", Silent())
    made = SubjectResponses(loaded, directory, workspace).generator.models.builder
    assert isinstance(made, Builder)
    return made


def test_a_profile_names_a_gguf_file_that_is_converted_once(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole, tmp_path / "some model.GGUF")
    first = builder(tmp_path, "some model.GGUF")
    directory = first.directory("base")
    assert directory.parent == tmp_path / ".lek" / "models"
    assert first.facts("base")["recipe"]["model"] == "some model.GGUF"
    before = {p: p.stat().st_mtime_ns for p in directory.iterdir()}
    (tmp_path / "moved").mkdir()
    (tmp_path / "some model.GGUF").rename(tmp_path / "moved" / "m.gguf")
    again = builder(tmp_path, "moved/m.gguf")
    assert again.recipes.of("base").fingerprint == first.recipes.of("base").fingerprint
    assert again.directory("base") == directory
    assert {p: p.stat().st_mtime_ns for p in directory.iterdir()} == before
    assert again.directory("lek").is_dir()
    np.testing.assert_array_equal(logits(directory), logits(converted(whole, tmp_path / "out")))


def test_another_file_of_the_same_name_is_another_model(small: Path, tmp_path: Path) -> None:
    fingerprints = set()
    for length in (2048, 4096):
        changes = {"llama.context_length": length}
        llama_cpp.write(small, tmp_path / "m.gguf", metadata=changes)
        fingerprints.add(builder(tmp_path, "m.gguf").recipes.of("base").fingerprint)
    assert len(fingerprints) == 2


@pytest.mark.parametrize("date", [True, False])
def test_a_chat_template_with_the_date_is_noticed(date: bool, small: Path, tmp_path: Path) -> None:
    template = "{{ strftime_now('%d %b') }}" if date else "{{ messages[0]['content'] }}"
    changes = {"tokenizer.chat_template": template}
    llama_cpp.write(small, tmp_path / "m.gguf", metadata=changes)
    assert builder(tmp_path, "m.gguf").recipes.dated("lek") is date


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("models/m.gguf", "", "p.toml: subjects[0].model = 'models/m.gguf': no such file"),
        ("./train.gguf", "", "p.toml: subjects[0].model = './train.gguf': no such file"),
        ("m.gguf", 'revision = "main"', "p.toml: subjects[0].revision: a local file has no"),
        ("bad.gguf", "", "bad.gguf: not a GGUF file"),
    ],
)
def test_a_profile_with_a_file_that_cannot_be_used_is_refused_at_the_start(
    model: str, more: str, message: str, whole: Path, tmp_path: Path
) -> None:
    shutil.copy(whole, tmp_path / "m.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"{}")
    with pytest.raises(BadInput, match=re.escape(message)):
        builder(tmp_path, model, more)
