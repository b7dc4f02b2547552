"""Models on the hub: the real client against a fake hub on loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import tiny
from support.hub import SHA, Hub, serving
from support.project import PATIENCE, ROOT

from lek.errors import BadInput
from lek.models.hub import fetch

CODE = """
import sys
from pathlib import Path
from lek.models.hub import fetch
from lek.errors import BadInput
try:
    print("at", fetch(sys.argv[1], None, Path("nowhere") / sys.argv[1]))
except BadInput as e:
    print("fault", e)
"""
SECRET = "hf_" + "s3cret" * 6


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    place = tiny.gemma(tmp_path / "hub" / "some" / "tiny", layers=2, hidden=64)
    (place / "evil.py").write_text("raise SystemExit('it ran')")
    (place / "weights.bin").write_text("a pickle, perhaps")
    with serving(tmp_path / "hub") as served:
        yield served


def ask(model: str, hub: Hub | None, home: Path) -> tuple[str, str]:
    """Return the outcome of `fetch` in a new process, since the client reads settings on import."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    settings = {"HF_HOME": str(home), "HF_TOKEN": SECRET, "HF_HUB_DISABLE_TELEMETRY": "1"}
    settings["HF_ENDPOINT"] = hub.url if hub else "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-c", CODE, model],
        env=kept | settings | {"PYTHONPATH": str(ROOT)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert SECRET not in done.stdout + done.stderr
    kind, _, rest = done.stdout.strip().splitlines()[-1].partition(" ")
    return kind, rest


def test_a_model_is_fetched_once_and_without_its_code(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    kind, place = ask("some/tiny", hub, home)
    assert (kind, Path(place).name) == ("at", SHA)
    names = {p.name for p in Path(place).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {"evil.py", "weights.bin"} & names
    hub.asked.clear()
    assert ask("some/tiny", hub, home) == (kind, place)
    assert not hub.asked
    assert ask("some/tiny", None, home) == (kind, place)


def test_an_incomplete_download_is_completed(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _, place = ask("some/tiny", hub, home)
    (Path(place) / "model.safetensors").unlink()
    assert ask("some/tiny", hub, home) == ("at", place)
    assert (Path(place) / "model.safetensors").is_file()


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_is_one_line(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.refuse = status
    kind, fault = ask("some/tiny", hub, tmp_path / "home")
    assert kind == "fault"
    assert fault.startswith(f"some/tiny: the hub returned HTTP {status}; check the name")


def test_an_unreachable_hub_is_an_error(tmp_path: Path) -> None:
    kind, fault = ask("some/tiny", None, tmp_path / "home")
    assert kind == "fault"
    assert fault == (
        "some/tiny: no directory nowhere/some/tiny, and the hub cannot be reached; "
        "check the network"
    )


def test_neither_a_directory_nor_a_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such directory"):
        fetch("../models/x", None, tmp_path / "x")
    with pytest.raises(BadInput, match="a local directory has no revision"):
        fetch("x", "main", tmp_path)
