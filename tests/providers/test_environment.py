"""What the client libraries send is decided by the profile, whatever the environment contains."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from support.endpoint import Api, Asked, ok, serving

from lek.profile.schema import GeminiSettings, OpenAISettings
from lek.providers.gemini import GeminiEndpoint
from lek.providers.genai import GenaiEndpoint
from lek.providers.openai import OpenAIEndpoint
from lek.providers.request import Endpoint, Question

KEY = "of-the-profile-0123456789"
FOREIGN = "of-somebody-else"
QUESTION = Question(
    "judge", "this", {"type": "object", "properties": {"reasons": {"type": "string"}}}
)
CLIENTS = ["openai", "google-generativeai", "google-genai"]
ENVIRONMENTS = {
    "keys": dict.fromkeys(("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"), FOREIGN),
    "accounts": {
        "OPENAI_ORG_ID": FOREIGN,
        "OPENAI_PROJECT_ID": FOREIGN,
        "GOOGLE_CLOUD_PROJECT": FOREIGN,
        "GOOGLE_CLOUD_QUOTA_PROJECT": FOREIGN,
        "GOOGLE_CLOUD_LOCATION": FOREIGN,
    },
    "addresses": {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/of-somebody-else",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9/of-somebody-else",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9/of-somebody-else",
        "GOOGLE_GENAI_API_VERSION": "v9",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "somebody-else.example",
        "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    },
    "backends": {
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_GENAI_CLIENT_MODE": "record",
        "GOOGLE_GENAI_REPLAYS_DIRECTORY": "replays",
        "GOOGLE_GENAI_REPLAY_ID": FOREIGN,
        "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/credentials.json",
    },
    "headers": {"OPENAI_CUSTOM_HEADERS": f"X-Account: {FOREIGN}\nAuthorization: Bearer {FOREIGN}"},
}


def opened(client: str, url: str, key: str | None = KEY) -> Endpoint:
    secret = SecretStr(key) if key else None
    if client == "openai":
        settings = OpenAISettings(model="m", base_url=f"{url}/v1", key="K" if key else None)
        return OpenAIEndpoint.open(settings, secret)
    kind: Any = GeminiEndpoint if client == "google-generativeai" else GenaiEndpoint
    return kind.open(GeminiSettings(model="m", base_url=url), secret)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("GOOGLE_", "OPENAI_", "GEMINI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def request_of(client: str, api: Api) -> Asked:
    """The request that the client sends in this environment."""
    api.asked.clear()
    assert opened(client, api.url).ask(QUESTION).text == "{}"
    (request,) = api.asked
    return request


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_environment_changes_nothing_that_is_sent(
    client: str, environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(ok("{}")) as api:
        expected = request_of(client, api)
        for name, value in ENVIRONMENTS[environment].items():
            monkeypatch.setenv(name, value)
        request = request_of(client, api)
    assert (request.path, request.headers) == (expected.path, expected.headers)
    assert request.body == expected.body
    assert not list(tmp_path.iterdir())  # no recorded request


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("client", CLIENTS)
def test_credentials_in_a_netrc_file_are_not_sent(
    client: str, key: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login somebody password {FOREIGN}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc.with_name(".netrc").write_text(netrc.read_text())
    if client != "openai" and key is None:
        key = "a-key"  # these clients need one
    with serving(ok("{}")) as api:
        assert opened(client, api.url, key).ask(QUESTION).text == "{}"
    authorization = api.asked[0].headers.get("authorization")
    assert authorization == (f"Bearer {key or 'none'}" if client == "openai" else None)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_cookie_of_the_server_is_not_sent_back(client: str) -> None:
    answer = ok("{}")
    answer.headers["Set-Cookie"] = "session=1; Path=/"
    with serving(answer) as api:
        endpoint = opened(client, api.url)
        for _ in range(2):
            endpoint.ask(QUESTION)
    assert [a.headers.get("cookie") for a in api.asked] == [None, None]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_proxy_is_used_and_gets_its_own_credentials_alone(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server acts as the proxy: it receives the complete URL of another host."""
    with serving(ok("{}")) as api:
        monkeypatch.setenv("HTTP_PROXY", api.url.replace("//", "//user:word@"))
        monkeypatch.setenv("http_proxy", api.url.replace("//", "//user:word@"))
        endpoint = opened(client, "http://judge.invalid")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # too late
        assert endpoint.ask(QUESTION).text == "{}"
        (proxied,) = api.asked
        assert proxied.path.startswith("http://judge.invalid/")
        assert proxied.headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"

        monkeypatch.setenv("http_proxy", api.url.replace("//", "//user:word@"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert opened(client, api.url).ask(QUESTION).text == "{}"
    assert "proxy-authorization" not in api.asked[1].headers
    assert not api.asked[1].path.startswith("http:")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_environment_is_not_copied_in_the_thread_of_a_request(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a copy fails when pytest changes the environment meanwhile."""
    own = threading.current_thread()
    copies: list[str] = []
    names = type(os.environ).__iter__

    def counting(self: Any) -> Iterator[str]:
        if threading.current_thread() is not own and self is os.environ:
            caller = sys._getframe(1)
            while caller.f_back is not None and "/lek/" not in caller.f_code.co_filename:
                caller = caller.f_back
            if "/lek/" in caller.f_code.co_filename:  # not the server's thread
                copies.append(caller.f_code.co_name)
        return names(self)

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with serving(ok("{}")) as api:
        endpoint = opened(client, api.url)
        monkeypatch.setattr(type(os.environ), "__iter__", counting)
        assert endpoint.ask(QUESTION).text == "{}"
    assert not copies


@pytest.mark.parametrize(
    ("model", "valid"),
    [
        ("gemini-2.0-flash", True), ("models/gemini-2.0-flash", True), ("tunedModels/a-1", True),
        ("gemini 2.0", False), ("google/gemini", False), ("", False), ("a/b/c", False),
        ("gemini?key=x", False), ("..", False), (" gemini", False), ("g\u00e9mini", False),
    ],
)  # fmt: skip
def test_names_of_gemini_models(model: str, valid: bool) -> None:
    if not valid:
        with pytest.raises(ValueError, match="must be a name such as"):
            GeminiSettings(model=model)
        return
    with serving(ok("{}")) as api:
        for kind in (GeminiEndpoint, GenaiEndpoint):
            settings = GeminiSettings(model=model, base_url=api.url)
            kind.open(settings, SecretStr(KEY)).ask(QUESTION)
    name = model if "/" in model else f"models/{model}"
    assert {a.path.split("?")[0] for a in api.asked} == {f"/v1beta/{name}:generateContent"}


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B", "my model 2", "a:b@c", "模型"])
def test_names_of_models_of_other_servers_are_sent_as_they_are(model: str) -> None:
    with serving(ok("{}")) as api:
        settings = OpenAISettings(model=model, base_url=f"{api.url}/v1")
        OpenAIEndpoint.open(settings, None).ask(QUESTION)
    assert api.asked[0].body["model"] == model
    for wrong in (f" {model}", f"{model}\n", f"{model}\x1b[31m", ""):
        with pytest.raises(ValueError, match="model"):
            OpenAISettings(model=wrong, base_url="http://h/v1")
