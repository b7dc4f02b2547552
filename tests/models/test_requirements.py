"""`lek doctor` with a profile: models, memory, disk, the hub, tokens and keys."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import tiny
from support.hub import Hub, serving
from support.project import lek

from lek.models import machine, requirements
from lek.models.machine import Finding
from lek.models.requirements import examine
from lek.models.weights import header_of
from lek.profile import loading

TOKEN = "hf_" + "Dist1nctive" * 3
KEY = "sk-" + "Unm1stakable" * 3
PROFILE = """
[data]
source = "path"
dir = "."
benchmarks = ["gsm8k"]
[[subjects]]
name = "base"
model = "{model}"
{more}
[judges]
default = "{judge}"
gsm8k = "{judge}"
[judges.openai]
base_url = "http://127.0.0.1:9/v1"
model = "judge"
key = "MY_JUDGE_KEY"
"""
LORA = '[[subjects]]\nname = "lek"\nfrom = "base"\n[[subjects.lora]]\ndata = "train.jsonl"\n'


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a hub with one model."""
    root = tmp_path_factory.mktemp("models")
    tiny.gemma(root / "some" / "tiny", layers=2, hidden=64)
    return root


@pytest.fixture
def hub(models: Path) -> Iterator[Hub]:
    with serving(models) as served:
        yield served


def write_profile(
    directory: Path, model: str = "some/tiny", more: str = "", judge: str = "none"
) -> None:
    (directory / "p.toml").write_text(PROFILE.format(model=model, more=more, judge=judge))


def doctor(
    directory: Path, hub: Hub | None, profile: str | None = "p.toml", **env: str
) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Run `lek doctor`; return the exit code, and state and text of the lines by their subject."""
    names = ("HF_", "HUGGING_FACE", "GEMINI")
    cleared = {k: "" for k in os.environ if k.startswith(names)}
    url = hub.url if hub else "http://127.0.0.1:9"
    settings = {"HF_ENDPOINT": url, "HF_HOME": str(directory / "home"), "HF_HUB_OFFLINE": "0"}
    arguments = [] if profile is None else ["--profile", profile]
    code, out, err = lek(directory, "doctor", *arguments, env=cleared | settings | env)
    assert not err, err
    for secret in (TOKEN, KEY):
        for part in (secret, secret[:12], secret[-12:]):
            assert part not in out
    lines: dict[str, list[tuple[str, str]]] = {}
    for line in out.splitlines():
        state, about, text = line.split(maxsplit=2)
        assert state in ("ok", "slow", "missing", "unknown"), line
        lines.setdefault(about, []).append((state, text))
    assert code == any(s == "missing" for found in lines.values() for s, _ in found)
    return code, lines


def test_a_model_to_download(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    code, found = doctor(tmp_path, hub)
    assert code == 0
    assert found["profile"] == [("ok", "p (p.toml)")]
    assert found["hub"] == [("ok", f"{hub.url} answers")]
    assert found["token"] == [
        ("ok", "none; only gated models and data sets need one ('hf auth login')")
    ]
    ((state, text),) = found["model"]
    assert (state, text.split(", ")[0]) == ("ok", "base: some/tiny")
    assert text.endswith("MB to download")
    ((state, text),) = found["memory"]
    assert state == "ok" and "base in " in text
    ((state, text),) = found["disk"]
    assert state == "ok" and "needed" in text
    assert found["key"] == [("ok", "MY_JUDGE_KEY is not set; only for --lek-judge openai")]
    assert not [a for a in hub.asked if "resolve" in a]  # nothing was downloaded


def test_a_valid_token(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    hub.token = TOKEN
    code, found = doctor(tmp_path, hub, HF_TOKEN=TOKEN)
    assert (code, found["token"]) == (0, [("ok", "accepted by the hub, user tester")])


def test_a_token_of_hf_auth_login(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    hub.token = TOKEN
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(TOKEN)
    assert doctor(tmp_path, hub)[1]["token"] == [("ok", "accepted by the hub, user tester")]


def test_a_token_that_is_rejected(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    code, found = doctor(tmp_path, hub, HF_TOKEN=TOKEN)
    text = "rejected by the hub (HTTP 401); correct HF_TOKEN, or 'hf auth login'"
    assert (code, found["token"]) == (1, [("missing", text)])


@pytest.mark.parametrize("token", [f"{TOKEN}\x00x", f"{TOKEN}é"])
def test_a_token_that_cannot_be_sent(tmp_path: Path, hub: Hub, token: str) -> None:
    write_profile(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(token)
    _, found = doctor(tmp_path, hub)
    assert found["token"][0][0] in ("missing", "unknown")


def test_a_gated_model_without_a_token(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    hub.gated.add("some/tiny")
    code, found = doctor(tmp_path, hub)
    assert code == 1
    ((state, text),) = found["token"]
    assert state == "missing"
    assert text.startswith("none, but some/tiny is given only to users who accepted its terms")
    hub.token = TOKEN
    assert doctor(tmp_path, hub, HF_TOKEN=TOKEN)[0] == 0


def test_a_model_that_the_hub_does_not_have(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path, "some/other")
    code, found = doctor(tmp_path, hub)
    assert code == 1
    assert found["model"] == [
        (
            "missing",
            "base: some/other, of which the hub gives no information (HTTP 404); check the name, "
            "or log in",
        )
    ]
    assert found["memory"][0][0] == found["disk"][0][0] == "unknown"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_with_an_error(tmp_path: Path, hub: Hub, status: int) -> None:
    write_profile(tmp_path)
    hub.refuse = status
    code, found = doctor(tmp_path, hub, HF_TOKEN=TOKEN)
    assert code == 0
    for about in ("token", "model", "memory", "disk"):
        assert found[about][0][0] == "unknown"
    assert f"(HTTP {status})" in found["token"][0][1]
    assert f"(HTTP {status})" in found["model"][0][1]


def test_no_hub(tmp_path: Path) -> None:
    write_profile(tmp_path)
    code, found = doctor(tmp_path, None, HF_TOKEN=TOKEN)
    assert code == 1
    ((state, text),) = found["hub"]
    assert state == "missing"
    assert text.startswith("http://127.0.0.1:9 cannot be reached (Connect")
    assert found["token"] == [("unknown", "present; the hub was not asked whether it is valid")]
    assert [state for state, _ in found["model"]] == ["missing"]


def test_a_hub_that_does_not_answer(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    hub.delay = 5
    code, found = doctor(tmp_path, hub, HF_TOKEN=TOKEN)
    assert code == 1
    assert found["hub"][0][0] == "missing"
    assert len(hub.asked) == 1


def test_offline_by_choice(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    code, found = doctor(tmp_path, hub, HF_HUB_OFFLINE="1", HF_TOKEN=TOKEN)
    assert code == 1
    text = "HF_HUB_OFFLINE is set; models are to be downloaded"
    assert found["hub"] == [("missing", text)]
    assert not hub.asked


def test_a_downloaded_model_needs_no_hub(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    url, home = hub.url, str(tmp_path / "home")
    code, _, err = lek(
        tmp_path, "build", "--profile=p.toml", env={"HF_ENDPOINT": url, "HF_HOME": home}
    )
    assert code == 0, err
    for settings in ({}, {"HF_HUB_OFFLINE": "1"}):
        code, found = doctor(tmp_path, None, **settings)
        assert (code, found["hub"][0][0]) == (0, "ok")
        assert found["hub"][0][1].endswith("the models of the profile are on this machine")
        assert found["model"] == [("ok", "base: some/tiny")]
        assert found["memory"][0][0] == "ok"


@pytest.mark.parametrize(
    ("judge", "key", "expected"),
    [
        ("openai", KEY, ("ok", "MY_JUDGE_KEY is set, for the judge openai")),
        ("openai", " ", ("missing", "MY_JUDGE_KEY is not set; the judge openai needs it")),
        ("none", KEY, ("ok", "MY_JUDGE_KEY is set, for the judge openai")),
    ],
)
def test_keys_of_judges(
    tmp_path: Path, hub: Hub, judge: str, key: str, expected: tuple[str, str]
) -> None:
    write_profile(tmp_path, judge=judge)
    code, found = doctor(tmp_path, hub, MY_JUDGE_KEY=key)
    assert code == (expected[0] == "missing")
    assert found["key"] == [expected]


def test_a_local_model(tmp_path: Path, models: Path) -> None:
    shutil.copytree(models / "some" / "tiny", tmp_path / "model")
    tiny.chats(tmp_path / "train.jsonl", 4)
    write_profile(tmp_path, "model", LORA)
    code, found = doctor(tmp_path, None, HF_TOKEN=TOKEN)
    assert code == 0
    assert found["hub"] == [("ok", "not needed: all models and data of the profile are local")]
    assert "token" not in found
    (tmp_path / "train.jsonl").unlink()
    code, found = doctor(tmp_path, None)
    assert (code, found["model"][0][0]) == (1, "missing")
    assert "train.jsonl" in found["model"][0][1]


def test_a_damaged_model(tmp_path: Path, models: Path) -> None:
    shutil.copytree(models / "some" / "tiny", tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    write_profile(tmp_path, "./model")
    code, found = doctor(tmp_path, None)
    assert code == 1
    assert found["model"][0][0] == "missing"


def test_the_profile_is_that_of_pytest(tmp_path: Path, hub: Hub) -> None:
    code, found = doctor(tmp_path, hub, None)
    assert (code, found["profile"][0][0]) == (0, "unknown")
    (tmp_path / "evals" / "profiles").mkdir(parents=True)
    write_profile(tmp_path / "evals" / "profiles")
    (tmp_path / "tox.ini").write_text("[pytest]\nlek_profile = p\n")
    code, found = doctor(tmp_path, hub, None)
    assert (code, found["profile"]) == (0, [("ok", "p (evals/profiles/p.toml)")])
    (tmp_path / "tox.ini").write_text("[pytest]\nlek_profile = q\n")
    code, out, err = lek(tmp_path, "doctor")
    assert (code, out) == (4, "")
    assert err.startswith("ERROR: tox.ini: lek_profile = q: no such profile; ")


@pytest.mark.parametrize(
    "env",
    [
        {"HF_ENDPOINT": "nonsense"},
        {"HF_ENDPOINT": f"http://user:{KEY}@127.0.0.1:9"},
        {"HTTP_PROXY": "socks9://x", "HTTPS_PROXY": "socks9://x", "ALL_PROXY": "socks9://x"},
        {"HF_HOME": "/dev/null/x"},
        {"HF_OIDC_RESOURCE": "x"},
    ],
)
def test_a_broken_environment(tmp_path: Path, hub: Hub, env: dict[str, str]) -> None:
    write_profile(tmp_path)
    _, found = doctor(tmp_path, hub, **env)
    assert {"machine", "profile", "hub", "model", "disk", "key"} <= set(found)


def test_a_broken_setting_of_the_hub(tmp_path: Path, hub: Hub) -> None:
    write_profile(tmp_path)
    code, found = doctor(tmp_path, hub, HF_HUB_ETAG_TIMEOUT="abc")
    assert (code, found["hub"][0][0]) == (1, "missing")
    assert found["hub"][0][1].endswith("'abc'; correct its HF_ variables")


# In this process: sizes, memory and disk


@pytest.fixture
def loaded(tmp_path: Path, models: Path) -> loading.LoadedProfile:
    tiny.chats(tmp_path / "train.jsonl", 4)
    write_profile(tmp_path, str(models / "some" / "tiny"), LORA)
    return loading.load(tmp_path / "p.toml")


def findings(loaded: loading.LoadedProfile | None) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(loaded)}


def weights(directory: Path) -> int:
    """The bytes of the tensors of a model."""
    ends = (t["data_offsets"][1] for t in header_of(directory / "model.safetensors").values())
    return max(ends)


@pytest.mark.parametrize(
    ("total", "available", "state"), [(1, 1, "missing"), (2, 1, "slow"), (2, 2, "ok")]
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch,
    loaded: loading.LoadedProfile,
    models: Path,
    total: int,
    available: int,
    state: str,
) -> None:
    """``total`` and ``available``: relative to the weights, which need half as much again."""
    size = weights(models / "some" / "tiny")
    monkeypatch.setattr(machine, "memory", lambda: (total * size, available * size))
    assert findings(loaded)["memory"].state == state


@pytest.mark.parametrize("bits", [None, 4, 8])
def test_parameters_are_those_of_the_full_model(tmp_path: Path, bits: int | None) -> None:
    """The size in float32 is that of the model which is written when it is dequantised."""
    full = tiny.llama(tmp_path / "full", layers=2, hidden=64)
    model = full if bits is None else tiny.llama(tmp_path / "q", layers=2, hidden=64, bits=bits)
    size = requirements._size_of_directory(model)
    assert size.parameters is not None
    expected = weights(full) / 4
    assert expected <= size.parameters <= expected * 1.1  # scales and biases are counted too
    assert size.form.dequantize == (bits is None)


def test_space_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, loaded: loading.LoadedProfile, models: Path
) -> None:
    size = weights(models / "some" / "tiny")
    usage = shutil.disk_usage(models)
    for free, state in ((size - 1, "missing"), (size, "ok")):  # the fused model of lek
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert findings(loaded)["disk"].state == state
    assert findings(None)["disk"].state == "ok"
