"""The choice of a client library by a judge's settings, and errors if none is installed."""

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
