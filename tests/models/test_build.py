"""Building: once, completely or not at all, under a fingerprint of everything that goes in."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from support.project import PATIENCE, ROOT

from lek.errors import BadInput
from lek.generation.responses import SubjectResponses
from lek.models.build import Builder, facts_of, made_once
from lek.models.weights import NumericFormat, load, stored_form
from lek.profile.loading import load as load_profile
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

PROFILE = """
[data]
source = "path"
dir = "data"
[decoding]
{decoding}
[[subjects]]
name = "base"
model = "{model}"
{base}
[[subjects]]
name = "lek"
from = "base"
[[subjects.lora]]
data = "train.jsonl"
iters = {iters}
learning_rate = 1e-3
[[subjects]]
name = "lek-composure"
from = "lek"
[[subjects.lora]]
data = "composure.jsonl"
iters = 2
[judges]
default = "none"
gsm8k = "exact"
"""


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def builder(tmp_path: Path) -> Callable[..., Builder]:
    """Return a function that makes the builder of a profile: a tiny base and two LoRA subjects."""
    tiny.gemma(tmp_path / "model", layers=2, hidden=64)
    tiny.chats(tmp_path / "train.jsonl", 6)
    tiny.chats(tmp_path / "composure.jsonl", 2, seed=1)

    def make(**values: Any) -> Builder:
        given = {"decoding": "", "model": "model", "base": "", "iters": 3} | values
        (tmp_path / "p.toml").write_text(PROFILE.format(**given))
        loaded = load_profile(tmp_path / "p.toml")
        workspace = Workspace(tmp_path / ".lek", Silent())
        made = SubjectResponses(loaded, tmp_path, workspace).generator.models.builder
        assert isinstance(made, Builder)
        return made

    return make


def test_a_chain_is_built_once_and_continues_its_adapter(
    builder: Callable[..., Builder], tmp_path: Path
) -> None:
    made = builder()
    place = made.directory("lek-composure")
    models, adapters = (
        [p.name for p in (tmp_path / ".lek" / kind).iterdir() if p.name[0] != "."]
        for kind in ("models", "adapters")
    )
    assert [n.rsplit("-", 1)[0] for n in models] == ["lek-composure"]
    assert len(adapters) == 2
    facts = made.facts("lek-composure")
    assert [stage["iterations"] for stage in facts["lora"]] == [3, 2]
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    assert builder().directory("lek-composure") == place
    assert {p: p.stat().st_mtime_ns for p in place.rglob("*")} == before
    made.directory("lek")  # its adapter is the first stage of lek-composure's
    assert len(list((tmp_path / ".lek" / "adapters").glob("[!.]*"))) == 2
    assert made.directory("base") == tmp_path / "model"  # already in the right form


@pytest.mark.parametrize("change", ["iters", "data", "weights", "tokenizer", "dtype"])
def test_whatever_goes_in_is_in_the_fingerprint(
    builder: Callable[..., Builder], tmp_path: Path, change: str
) -> None:
    old = {n: builder().recipes.of(n).fingerprint for n in ("base", "lek", "lek-composure")}
    again = {n: builder().recipes.of(n).fingerprint for n in old}
    assert again == old
    values: dict[str, Any] = {}
    if change == "iters":
        values["iters"] = 4
    elif change == "data":
        tiny.chats(tmp_path / "train.jsonl", 6, seed=9)
    elif change == "dtype":
        values["decoding"] = 'dtype = "bfloat16"'
    else:
        name = "model.safetensors" if change == "weights" else "tokenizer.json"
        file = tmp_path / "model" / name
        file.write_bytes(file.read_bytes()[:-1] + b" ")
    new = {n: builder(**values).recipes.of(n).fingerprint for n in old}
    assert (new["base"] == old["base"]) == (change in ("iters", "data"))
    assert new["lek"] != old["lek"]
    assert new["lek-composure"] != old["lek-composure"]


def test_all_subjects_have_one_form(builder: Callable[..., Builder], tmp_path: Path) -> None:
    tiny.gemma(tmp_path / "q4", layers=2, hidden=64, bits=4, dtype="bfloat16")
    assert not stored_form(tmp_path / "q4").dequantize
    made = builder(model="q4", decoding='dtype = "float32"')
    assert made.recipes.form == NumericFormat("float32", dequantize=True)  # since lek is edited
    for name in ("base", "lek"):
        place = made.directory(name)
        assert place.parent == tmp_path / ".lek" / "models"
        assert stored_form(place) == NumericFormat("float32", dequantize=True)
        assert "quantization" not in load(place).config
    with pytest.raises(BadInput, match=r"base: dequantize = false, but lek is in full precision"):
        builder(model="q4", base="dequantize = false")


def test_one_form_is_found_where_the_sources_differ(tmp_path: Path) -> None:
    """Even without edited subjects, and although each source could be used unchanged."""
    tiny.gemma(tmp_path / "full", layers=2, hidden=64)
    tiny.gemma(tmp_path / "q4", layers=2, hidden=64, bits=4, dtype="bfloat16")

    def form(*models: str) -> NumericFormat:
        subjects = "".join(
            f'[[subjects]]\nname = "{m}"\nmodel = "{m}"\ndequantize = false\n' for m in models
        )
        judges = '[judges]\ndefault = "none"\ngsm8k = "exact"\n'
        head = f'baseline = "{models[0]}"\n[data]\nsource = "path"\ndir = "."\n'
        (tmp_path / "p.toml").write_text(head + subjects + judges)
        workspace = Workspace(tmp_path / ".lek", Silent())
        loaded = load_profile(tmp_path / "p.toml")
        found = SubjectResponses(loaded, tmp_path, workspace).generator.models.builder.recipes.form
        assert isinstance(found, NumericFormat)
        return found

    assert not form("q4").dequantize
    assert form("q4", "full").dequantize


def test_files_that_are_no_part_of_the_model_change_nothing(
    builder: Callable[..., Builder], tmp_path: Path
) -> None:
    before = builder().recipes.of("base").fingerprint
    (tmp_path / "model" / ".DS_Store").write_text("x")
    (tmp_path / "model" / "README.md").write_text("x")
    assert builder().recipes.of("base").fingerprint == before


def test_a_place_that_cannot_be_written_is_one_line(
    builder: Callable[..., Builder], tmp_path: Path
) -> None:
    (tmp_path / ".lek").write_text("a file")
    with pytest.raises(BadInput, match=r"store\.sqlite3: cannot be written"):
        builder()


def test_what_is_exported_loads_and_has_a_card(
    builder: Callable[..., Builder], tmp_path: Path
) -> None:
    from mlx_lm import generate
    from mlx_lm import load as load_model

    builder().export("lek", tmp_path / "out")
    model, tokenizer = load_model(str(tmp_path / "out"))[:2]
    assert generate(model, tokenizer, "the house", max_tokens=3)
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: mlx\n")
    assert builder().recipes.of("lek").fingerprint in card
    assert str(tmp_path) not in card
    with pytest.raises(BadInput, match="not an empty directory"):
        builder().export("lek", tmp_path / "out")


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path) -> dict[str, Any]:
        (out / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "m", fail, digest=sha256, say=print)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_a_maker_that_is_killed_leaves_nothing_that_is_taken_for_a_model(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lek.models.build import made_once\n"
        "def make(out):\n"
        "    (out / 'config.json').write_text('{}')\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
        "made_once(Path(sys.argv[1]), make, digest=str, say=print)\n"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "m")],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert maker.stdout is not None
    assert maker.stdout.readline() == b"half\n"
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert not (tmp_path / "m").exists()
    place = made_once(
        tmp_path / "m", lambda out: {"made": out.name != "m"}, digest=sha256, say=print
    )
    assert facts_of(place) == {"made": True}
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [
        "m"
    ]  # the leftover of the killed process is deleted


def test_two_that_want_the_same_make_it_once_and_the_second_says_that_it_waits(
    tmp_path: Path,
) -> None:
    made, said = [], []
    begun, go = threading.Event(), threading.Event()

    def make(out: Path) -> dict[str, Any]:
        made.append(out)
        begun.set()
        go.wait(PATIENCE)
        return {}

    def want() -> None:
        made_once(tmp_path / "m", make, digest=sha256, say=said.append)

    first = threading.Thread(target=want)
    first.start()
    begun.wait(PATIENCE)
    second = threading.Thread(target=want)
    second.start()
    while not said:
        time.sleep(0.01)
    go.set()
    first.join()
    second.join()
    assert len(made) == 1
    assert said == ["waiting for another process that makes m"]


def truncate(directory: Path) -> str:
    file = directory / "model.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    return "model.safetensors was changed"


def flip_a_bit(directory: Path) -> str:
    """Change one bit, and set the file's times to what they were."""
    file = directory / "model.safetensors"
    content, stat = bytearray(file.read_bytes()), file.stat()
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return "model.safetensors was changed"


def add_weights(directory: Path) -> str:
    (directory / "model-00002.safetensors").write_bytes(b"more")
    return "model-00002.safetensors was added"


def remove_the_tokenizer(directory: Path) -> str:
    (directory / "tokenizer.json").unlink()
    return "tokenizer.json is missing"


def change_the_configuration(directory: Path) -> str:
    with (directory / "config.json").open("a") as file:
        file.write(" ")
    return "config.json was changed"


def remove_the_record(directory: Path) -> str:
    (directory / "build.json").unlink()
    return "has no record of its files"


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_bit,
        add_weights,
        remove_the_tokenizer,
        change_the_configuration,
        remove_the_record,
    ],
)
def test_a_model_that_was_changed_is_built_again(
    builder: Callable[..., Builder], tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    place = builder().directory("lek")
    before = {f.name: sha256(f) for f in place.iterdir() if f.name != "build.json"}
    problem = damage(place)
    said: list[str] = []
    again = builder()
    again._progress.say = said.append  # type: ignore[method-assign]
    assert again.directory("lek") == place
    assert {f.name: sha256(f) for f in place.iterdir() if f.name != "build.json"} == before
    assert f"{place}: {problem}; making it again" in said


def test_an_adapter_that_was_changed_is_trained_again(
    builder: Callable[..., Builder], tmp_path: Path
) -> None:
    place = builder().directory("lek")
    weights = sha256(place / "model.safetensors")
    shutil.rmtree(place)
    (adapter,) = (tmp_path / ".lek" / "adapters").glob("[!.]*")
    os.truncate(adapter / "adapters.safetensors", 100)
    assert sha256(builder().directory("lek") / "model.safetensors") == weights


def test_hidden_files_are_not_part_of_a_model(builder: Callable[..., Builder]) -> None:
    place = builder().directory("lek")
    (place / ".DS_Store").write_bytes(b"a folder's view")
    record = (place / "build.json").stat().st_mtime_ns
    assert builder().directory("lek") == place
    assert (place / "build.json").stat().st_mtime_ns == record
