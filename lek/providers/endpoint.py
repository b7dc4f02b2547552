"""The settings of a judge behind an API -> its client library, its key, the endpoint itself."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from pydantic import SecretStr

from lek.errors import BadInput
from lek.profile.schema import JUDGE_KINDS, APIJudgeSettings, Client
from lek.providers.errors import PermanentError, one_line, redact
from lek.providers.request import Endpoint, Question, Reply


def check(kind: str, settings: APIJudgeSettings, where: str) -> None:
    """Raise `BadInput` where key or client library are missing; ``where`` names the table."""
    if settings.key is not None and not _key(settings):
        raise BadInput(
            f"{where}.key: the environment has no {settings.key}; set it, or choose another judge"
        )
    if _client(kind, settings) is None:
        wanted = _wanted(kind, settings)
        names = " or ".join(c.package for c in wanted)
        raise BadInput(f"{where}: needs {names}; pip install -e '.[{wanted[0].extra}]'")


def endpoint(kind: str, settings: APIJudgeSettings) -> Endpoint:
    """The endpoint, opened through the library that is installed."""
    client = _client(kind, settings)
    assert client is not None  # it was checked
    try:
        module, _, name = client.endpoint.partition(":")
        opener: Any = getattr(import_module(module), name)
        key = SecretStr(_key(settings)) if settings.key is not None else None
        return cast(Endpoint, opener.open(settings, key))
    except Exception as e:  # such as a proxy in the environment that the library does not know
        return _Unopened(one_line(f"{client.package} cannot be opened: {e}", _key(settings)))


def scrub(settings: APIJudgeSettings, text: str) -> str:
    """``text`` without the key, whoever put it there."""
    return redact(text, _key(settings))


class _Unopened:
    """An endpoint that says why it is none."""

    def __init__(self, why: str) -> None:
        self._why = why

    def ask(self, question: Question) -> Reply:
        """Raise `PermanentError`."""
        raise PermanentError(self._why)


def client_of(kind: str, settings: APIJudgeSettings) -> str | None:
    """The package that talks to the API; ``None`` where none is installed."""
    client = _client(kind, settings)
    return client.package if client else None


def _key(settings: APIJudgeSettings) -> str:
    return os.environ.get(settings.key, "").strip() if settings.key else ""


def _wanted(kind: str, settings: APIJudgeSettings) -> list[Client]:
    """The client libraries that would do: the one that the settings name, or any."""
    return [c for c in JUDGE_KINDS[kind].clients if settings.client in (None, c.package)]


def _client(kind: str, settings: APIJudgeSettings) -> Client | None:
    return next((c for c in _wanted(kind, settings) if _installed(c.module)), None)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
