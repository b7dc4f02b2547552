"""The settings of a judge behind an API -> its client library, its key, the endpoint itself."""

import os
from importlib.util import find_spec
from typing import NamedTuple

from pydantic import SecretStr

from lek.backends import Endpoint, Question, Reply
from lek.faults import Final
from lek.records import BadInput
from lek.secrecy import line, without
from lek.settings import Gemini, OpenAI


class _Client(NamedTuple):
    package: str
    module: str
    extra: str


_GEMINI = (
    _Client("google-generativeai", "google.generativeai", "gemini"),
    _Client("google-genai", "google.genai", "genai"),
)
_OPENAI = (_Client("openai", "openai", "openai"),)


def check(settings: Gemini | OpenAI, where: str) -> None:
    """Raise `BadInput` where key or client library are missing; ``where`` names the table."""
    if settings.key is not None and not _key(settings):
        raise BadInput(
            f"{where}.key: the environment has no {settings.key}; set it, or take another "
            "judge, such as lexical"
        )
    if _client(settings) is None:
        wanted = _wanted(settings)
        names = " or ".join(c.package for c in wanted)
        raise BadInput(f"{where}: needs {names}; pip install -e '.[{wanted[0].extra}]'")


def endpoint(settings: Gemini | OpenAI) -> Endpoint:
    """The endpoint, opened through the library that is installed."""
    client = _client(settings)
    assert client is not None  # it was checked
    try:
        return _opened(settings, client, SecretStr(_key(settings)))
    except Exception as e:  # such as a proxy in the environment that the library does not know
        return _Unopened(line(f"{client.package} cannot be opened: {e}", _key(settings)))


def scrub(settings: Gemini | OpenAI, text: str) -> str:
    """``text`` without the key, whoever put it there."""
    return without(text, _key(settings))


class _Unopened:
    """An endpoint that says why it is none."""

    def __init__(self, why: str) -> None:
        self._why = why

    def ask(self, question: Question) -> Reply:
        """Raise `Final`."""
        raise Final(self._why)


def _opened(settings: Gemini | OpenAI, client: _Client, key: SecretStr) -> Endpoint:
    if isinstance(settings, OpenAI):
        from lek.backends.openai import OpenAIEndpoint

        return OpenAIEndpoint.open(settings, key if settings.key else None)
    if client.extra == "gemini":
        from lek.backends.gemini import GeminiEndpoint

        return GeminiEndpoint.open(settings, key)
    from lek.backends.genai import GenaiEndpoint

    return GenaiEndpoint.open(settings, key)


def client_of(settings: Gemini | OpenAI) -> str | None:
    """The package that talks to the API; ``None`` where none is installed."""
    client = _client(settings)
    return client.package if client else None


def _key(settings: Gemini | OpenAI) -> str:
    return os.environ.get(settings.key, "").strip() if settings.key else ""


def _wanted(settings: Gemini | OpenAI) -> tuple[_Client, ...]:
    if isinstance(settings, OpenAI):
        return _OPENAI
    return tuple(c for c in _GEMINI if settings.client in (None, c.package))


def _client(settings: Gemini | OpenAI) -> _Client | None:
    return next((c for c in _wanted(settings) if _installed(c.module)), None)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
