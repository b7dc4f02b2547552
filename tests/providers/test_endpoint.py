"""The choice of a client library by a judge's settings, and errors if none is installed."""

import json
from typing import Any

import pytest

from lek.errors import BadInput
from lek.profile.schema import GeminiSettings, OpenAISettings
from lek.providers import endpoint
from lek.providers.gemini import GeminiEndpoint
from lek.providers.genai import GenaiEndpoint

GEMINI = GeminiSettings(model="m", base_url="http://127.0.0.1:1")
OPENAI = OpenAISettings(model="m", base_url="http://127.0.0.1:1/v1")
OLD, NEW = "google.generativeai", "google.genai"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes only the given modules appear to be installed."""
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")

    def only(*modules: str) -> None:
        monkeypatch.setattr(endpoint, "_installed", lambda module: module in modules)

    return only


@pytest.mark.parametrize(
    ("modules", "client", "kind"),
    [
        ([OLD], None, GeminiEndpoint),
        ([NEW], None, GenaiEndpoint),
        ([OLD, NEW], None, GeminiEndpoint),
        ([OLD, NEW], "google-genai", GenaiEndpoint),
        ([OLD, NEW], "google-generativeai", GeminiEndpoint),
    ],
)
def test_the_library_that_is_there_is_taken(
    installed: Any, modules: list[str], client: Any, kind: type
) -> None:
    installed(*modules)
    settings = GEMINI.model_copy(update={"client": client})
    endpoint.check("gemini", settings, "p.toml: judges.gemini")
    assert type(endpoint.endpoint("gemini", settings)) is kind


@pytest.mark.parametrize(
    ("kind", "settings", "modules", "told"),
    [
        (
            "gemini",
            GEMINI,
            [],
            r"needs google-generativeai or google-genai; pip install 'lek\[gemini\]'",
        ),
        ("gemini", GEMINI.model_copy(update={"client": "google-genai"}), [OLD], r"'lek\[genai\]'"),
        ("openai", OPENAI, [OLD, NEW], r"needs openai; pip install 'lek\[openai\]'"),
    ],
)
def test_a_missing_library_is_one_line(
    installed: Any, kind: str, settings: Any, modules: list[str], told: str
) -> None:
    installed(*modules)
    with pytest.raises(BadInput, match=told):
        endpoint.check(kind, settings, "p.toml: judges.x")
    assert endpoint.client_of(kind, settings) is None


def test_installed_modules_are_recognised() -> None:
    assert endpoint._installed("json") and not endpoint._installed("no_such.module")
    assert not endpoint._installed("no_such_module")


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with pytest.raises(BadInput, match=r"p\.toml: j\.key: the environment has no GEMINI_API_KEY"):
        endpoint.check("gemini", GEMINI, "p.toml: j")
    endpoint.check("openai", OPENAI, "p.toml: j")  # a local server needs no key


def test_the_key_is_scrubbed_whoever_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", " a-long-key ")
    assert endpoint.scrub(GEMINI, "it is a-long-key, said it") == "it is [key], said it"
    assert endpoint.scrub(OPENAI, "it is a-long-key") == "it is a-long-key"


@pytest.mark.parametrize(
    ("settings", "deciding"),
    [
        (
            OPENAI,
            {
                "model": "m",
                "temperature": 0.1,
                "max_tokens": 2048,
                "base_url": "http://127.0.0.1:1/v1",
                "structured": "json_schema",
            },
        ),
        (
            GEMINI,
            {
                "model": "m",
                "temperature": 0.1,
                "max_tokens": 2048,
                "base_url": "http://127.0.0.1:1",
            },
        ),
    ],
    ids=["openai", "gemini"],
)
def test_the_settings_in_the_key_of_votes(settings: Any, deciding: dict[str, Any]) -> None:
    """A change of these texts, even of their order, would discard all stored votes."""
    assert json.dumps(settings.deciding()) == json.dumps(deciding)


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("http://h/v1", "http://h/v1"),
        ("http://h/v1/", "http://h/v1"),
        ("http://h:80/v1//", "http://h/v1"),
        ("HTTPS://API.Example.com:443/V1/", "https://api.example.com/V1"),
        ("https://h:80", "https://h:80"),
        ("http://h/", "http://h"),
        ("http://h:", "http://h"),
        ("http://[::1]:8080/v1/", "http://[::1]:8080/v1"),
        ("http://127.0.0.1:08080/v1", "http://127.0.0.1:8080/v1"),
    ],
)
def test_spellings_of_an_address(spelling: str, address: str) -> None:
    assert OpenAISettings(model="m", base_url=spelling).base_url == address
    assert GeminiSettings(model="m", base_url=spelling).base_url == address


@pytest.mark.parametrize(
    "wrong",
    ["http://h/\x1b[31m", "http://h/v 1", "http://h\u00e9/v1", "ftp://h", "http:///v1", "h"],
)
def test_what_is_no_address(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be an address such as"):
        OpenAISettings(model="m", base_url=wrong)


def test_the_form_of_questions_is_named_where_it_is_not_the_usual_one(installed: Any) -> None:
    installed(OLD, NEW, "openai")
    genai = GEMINI.model_copy(update={"client": "google-genai"})
    forms = [endpoint.form_of(*judge) for judge in (("gemini", GEMINI), ("gemini", genai),
                                                    ("openai", OPENAI))]  # fmt: skip
    assert forms == [None, "responseJsonSchema", None]
