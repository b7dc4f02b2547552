"""Gemini through google-genai."""

import logging
from typing import Any, Self

from pydantic import SecretStr

from lek.profile.schema import GeminiSettings
from lek.providers.errors import HTTPResponse
from lek.providers.google import ADDRESS, SAFETY, GoogleEndpoint, Received
from lek.providers.redaction import quiet_loggers
from lek.providers.request import Question


class GenaiEndpoint(GoogleEndpoint):
    """An endpoint for Gemini."""

    def __init__(self, settings: GeminiSettings, key: str, client: Any) -> None:
        super().__init__(settings, key)
        self._client = client

    @classmethod
    def open(cls, settings: GeminiSettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Sends nothing: `ask` reports an invalid key."""
        secret = key.get_secret_value().strip() if key else ""
        quiet_loggers("google", "google_genai", "httpx", "httpx2", "httpcore", "httpcore2")
        return cls(settings, secret, _client(settings, secret))

    def _request(self, question: Question) -> HTTPResponse:
        try:
            self._client.models.generate_content(
                model=self._settings.model,
                contents=question.user,
                config=self._generation_config()
                | {
                    "system_instruction": question.system,
                    "response_json_schema": question.schema,
                    "safety_settings": SAFETY,
                },
            )
        except Received as e:
            return e.response
        raise AssertionError("the hook that receives the response was not called")


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key only to the configured address."""
    from google import genai
    from google.genai.client import DebugConfig

    logging.getLogger("google_genai._api_client").addFilter(_is_relevant)
    # All that the environment could choose is given here: key, backend, address, recorded replies.
    return genai.Client(
        api_key=key or "none",
        vertexai=False,
        debug_config=DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
        http_options={
            "base_url": settings.base_url or ADDRESS,
            "api_version": "v1beta",
            # milliseconds per read; `call_with_timeout` limits the whole request
            "timeout": max(1, int(settings.timeout * 1000)),
            "retry_options": {"attempts": 1},
            "client_args": {
                "follow_redirects": False,  # that would send the key to another host
                "event_hooks": {"request": [_remove_cookies], "response": [_receive]},
            },
        },
    )


def _remove_cookies(request: Any) -> None:
    request.headers.pop("cookie", None)


def _receive(response: Any) -> None:
    raise Received(response.status_code, response.headers, response.read())


def _is_relevant(record: logging.LogRecord) -> bool:
    """False for the library's warning that it uses GOOGLE_API_KEY, which does not apply here."""
    return not record.getMessage().startswith("Both GOOGLE_API_KEY and GEMINI_API_KEY")
