"""Gemini through google-generativeai."""

import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import SecretStr

from lek.profile.schema import GeminiSettings
from lek.providers.errors import (
    ProviderError,
    RejectedRequest,
    TransientError,
    one_line,
    quiet_loggers,
    redact,
)
from lek.providers.google import ADDRESS, SAFETY, GoogleEndpoint, Refused
from lek.providers.request import Question, Reply


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

    def _request(self, question: Question) -> Any:
        model = self._library.GenerativeModel(
            self._settings.model, safety_settings=SAFETY, system_instruction=question.system
        )
        model._client = self._client  # otherwise the library uses the one from `configure`
        return model.generate_content(
            question.user,
            generation_config={
                "candidate_count": 1,
                "temperature": self._settings.temperature,
                "max_output_tokens": self._settings.max_tokens,
                "response_mime_type": "application/json",
                "response_schema": _schema(question.schema),
            },
            request_options={"retry": None, "timeout": self._settings.timeout},
        )

    def _read(self, response: Any) -> Reply:
        return _read(response, self._key)

    def _classify(self, e: Exception) -> ProviderError:
        import google.auth.exceptions
        import google.protobuf.json_format
        import requests

        if isinstance(e, TimeoutError | requests.Timeout):
            return TransientError(f"no complete reply after {self._settings.timeout:g} s (timeout)")
        if isinstance(e, requests.RequestException | google.auth.exceptions.TransportError):
            return TransientError(one_line(f"connection failed or interrupted: {e}", self._key))
        if isinstance(e, google.protobuf.json_format.ParseError | UnicodeDecodeError):
            return TransientError("the response body is not in the documented format of the API")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key only to the configured address."""
    from google.ai.generativelanguage import GenerativeServiceClient
    from google.auth.api_key import Credentials
    from requests.adapters import HTTPAdapter

    rest = GenerativeServiceClient.get_transport_class("rest")
    address = (settings.base_url or ADDRESS).rstrip("/")
    transport = rest(host=address, credentials=Credentials(key or "none"))
    session = transport._session

    def check_status(response: Any, **_: Any) -> None:
        # before the library follows a redirect with the key, retries after a 401, or fails on
        # an error body that is not in Google's format
        if response.status_code != 200:
            raise Refused(response.status_code, response.headers, response.content)

    session.hooks["response"].append(check_status)
    session.auth = _add_property_ordering
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


def _read(response: Any, key: str) -> Reply:
    usage = response.usage_metadata
    tokens = usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count
    prompt, completion = _tokens(*tokens)

    def none(reason: str) -> Reply:
        return Reply(None, reason, None, prompt, completion)

    if response.prompt_feedback.block_reason:
        return none(f"the prompt was blocked: {response.prompt_feedback.block_reason.name}")
    if len(response.candidates) != 1:
        return none(f"{len(response.candidates) or 'no'} candidates in the response, expected 1")
    (candidate,) = response.candidates
    end = candidate.finish_reason.name
    if end not in ("STOP", "MAX_TOKENS"):  # also reasons that this library does not know
        return none(f"the reply was blocked or incomplete: {end}")
    text = redact("".join(part.text for part in candidate.content.parts), key)
    finish: Literal["stop", "length"] = "stop" if end == "STOP" else "length"
    if not text.strip():
        return none("the reply is empty")._replace(finish=finish)
    return Reply(text, None, finish, prompt, completion)


def _tokens(prompt: int, candidates: int, total: int) -> tuple[int | None, int | None]:
    """Token counts of prompt and completion; this library gives 0 for a count not reported."""
    if prompt < 0 or candidates < 0 or total < 0 or 0 < total < prompt:
        return None, None
    completion = total - prompt if total and prompt else candidates
    return prompt or None, completion or None
