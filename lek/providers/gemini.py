"""Gemini through google-generativeai."""

import json
import os
import warnings
from collections.abc import Mapping
from typing import Any, Self

from pydantic import SecretStr

from lek.profile.schema import GeminiSettings
from lek.providers.errors import HTTPResponse
from lek.providers.google import ADDRESS, SAFETY, GoogleEndpoint, Received
from lek.providers.redaction import quiet_loggers
from lek.providers.request import Question


class GeminiEndpoint(GoogleEndpoint):
    """An endpoint for Gemini. Does not use the library's global state (``configure``)."""

    def __init__(self, settings: GeminiSettings, key: str, library: Any, client: Any) -> None:
        super().__init__(settings, key)
        self._library, self._client = library, client

    @classmethod
    def open(cls, settings: GeminiSettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Sends nothing: `ask` reports an invalid key."""
        with warnings.catch_warnings():
            # At import it warns that google-genai succeeds it, which users can choose and
            # docs/judges.md explains, and names Python versions that it will drop in years.
            warnings.simplefilter("ignore", FutureWarning)
            import google.generativeai as library
        quiet_loggers("google", "urllib3", "requests")
        secret = key.get_secret_value().strip() if key else ""
        return cls(settings, secret, library, _client(settings, secret))

    def _request(self, question: Question) -> HTTPResponse:
        model = self._library.GenerativeModel(
            self._settings.model, safety_settings=SAFETY, system_instruction=question.system
        )
        model._client = self._client  # otherwise the library uses the one from `configure`
        assert question.schema is not None  # all questions for judges have one
        schema = {"response_schema": _schema(question.schema)}
        try:
            model.generate_content(
                question.user,
                generation_config=self._generation_config() | schema,
                request_options={"retry": None, "timeout": self._settings.timeout},
            )
        except Received as e:
            return e.response
        raise AssertionError("the hook that receives the response was not called")


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key only to the configured address."""
    from google.ai.generativelanguage import GenerativeServiceClient
    from google.auth.api_key import Credentials
    from requests.adapters import HTTPAdapter
    from requests.utils import get_environ_proxies

    rest = GenerativeServiceClient.get_transport_class("rest")
    address = settings.base_url or ADDRESS
    transport = rest(host=address, credentials=Credentials(key or "none"))
    session = transport._session

    def receive(response: Any, **_: Any) -> None:
        raise Received(response.status_code, response.headers, response.content)

    session.hooks["response"].append(receive)
    session.auth = _add_property_ordering
    # Read the environment now: requests would copy it for each request, in another thread, which
    # fails while pytest changes it, and would send credentials of a .netrc file.
    session.trust_env = False
    session.proxies = dict(get_environ_proxies(address))
    bundles = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    session.verify = next(filter(None, bundles), True)
    session.mount("https://", HTTPAdapter(pool_maxsize=settings.concurrency))
    session.mount("http://", HTTPAdapter(pool_maxsize=settings.concurrency))
    return GenerativeServiceClient(transport=transport)


def _add_property_ordering(request: Any) -> Any:
    """Add ``propertyOrdering`` to the response schema, so that reasons come before the scores.

    The library does not support this field, and without it the API may use alphabetical order.
    `requests` calls this as its ``auth`` hook, the last one that can change a request.
    """
    body = json.loads(request.body)
    schema = body["generationConfig"]["responseSchema"]
    schema["propertyOrdering"] = schema["required"]
    request.prepare_body(json.dumps(body).encode(), None)
    return request


def _schema(json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that this library supports: no bounds, all properties required."""
    schema: dict[str, Any] = {"type": str(json_schema["type"]).upper()}
    schema |= {k: json_schema[k] for k in ("description", "enum") if k in json_schema}
    if "properties" in json_schema:
        schema["properties"] = {k: _schema(v) for k, v in json_schema["properties"].items()}
        schema["required"] = list(schema["properties"])
    if "items" in json_schema:
        schema["items"] = _schema(json_schema["items"])
    return schema
