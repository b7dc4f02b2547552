"""Open the endpoint of a model behind an API: choose its client library and read its key."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from pydantic import SecretStr

from lek.errors import BadInput
from lek.profile.schema import JUDGE_KINDS, APISettings, Client
from lek.providers.errors import PermanentError
from lek.providers.redaction import one_line, redact
from lek.providers.request import Endpoint, Question, Reply


def check(kind: str, settings: APISettings, where: str, otherwise: str = "") -> None:
    """Raise `BadInput` if the key or the client library is missing.

    ``kind``: the kind of judge whose client libraries are used. ``where`` begins the message: the
    profile and the table of the settings. ``otherwise``: what the user may do instead.
    """
    if settings.key is not None and not _key(settings):
        raise BadInput(f"{where}.key: the environment has no {settings.key}; set it{otherwise}")
    if _client(kind, settings) is None:
        clients = _suitable_clients(kind, settings)
        names = " or ".join(c.package for c in clients)
        raise BadInput(f"{where}: needs {names}; pip install 'lek[{clients[0].extra}]'")


def endpoint(kind: str, settings: APISettings) -> Endpoint:
    """Open the endpoint through the installed client library.

    An endpoint that cannot be opened raises `PermanentError` when it is asked.
    """
    client = _client(kind, settings)
    assert client is not None  # ensured by `check`
    try:
        module, _, name = client.endpoint.partition(":")
        endpoint_class: Any = getattr(import_module(module), name)
        key = SecretStr(_key(settings)) if settings.key is not None else None
        return cast(Endpoint, endpoint_class.open(settings, key))
    except Exception as e:  # such as a proxy in the environment that the library does not support
        return _UnavailableEndpoint(
            one_line(f"{client.package} cannot be opened: {e}", _key(settings))
        )


def scrub(settings: APISettings, text: str) -> str:
    """``text`` without the key, wherever it came from."""
    return redact(text, _key(settings))


class _UnavailableEndpoint:
    """An endpoint that could not be opened."""

    def __init__(self, why: str) -> None:
        self._why = why

    def ask(self, question: Question) -> Reply:
        """Raise `PermanentError` with the reason."""
        raise PermanentError(self._why, sent=False)


def client_of(kind: str, settings: APISettings) -> str | None:
    """The name of the client library that is used; ``None`` if none is installed."""
    client = _client(kind, settings)
    return client.package if client else None


def form_of(kind: str, settings: APISettings) -> str | None:
    """The form in which the client library sends questions, if that is not the usual one."""
    client = _client(kind, settings)
    return client.form if client else None


def _key(settings: APISettings) -> str:
    return os.environ.get(settings.key, "").strip() if settings.key else ""


def _suitable_clients(kind: str, settings: APISettings) -> list[Client]:
    """The client library that the settings name; all of this kind if they name none."""
    return [c for c in JUDGE_KINDS[kind].clients if settings.client in (None, c.package)]


def _client(kind: str, settings: APISettings) -> Client | None:
    return next((c for c in _suitable_clients(kind, settings) if _installed(c.module)), None)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
