"""Gemini through google-genai."""

import json
import logging
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

    def _request(self, question: Question) -> Any:
        return self._client.models.generate_content(
            model=self._settings.model,
            contents=question.user,
            config={
                "system_instruction": question.system,
                "candidate_count": 1,
                "temperature": self._settings.temperature,
                "max_output_tokens": self._settings.max_tokens,
                "response_mime_type": "application/json",
                "response_json_schema": question.schema,
                "safety_settings": SAFETY,
            },
        )

    def _read(self, response: Any) -> Reply:
        return _read(response, self._key)

    def _classify(self, e: Exception) -> ProviderError:
        origins = {c.__name__ for c in type(e).__mro__ if c.__module__.startswith("httpx")}
        if isinstance(e, TimeoutError) or "TimeoutException" in origins:
            return TransientError(f"no complete reply after {self._settings.timeout:g} s (timeout)")
        if "RequestError" in origins:  # from httpx or its successor, whichever is installed
            return TransientError(one_line(f"connection failed or interrupted: {e}", self._key))
        if isinstance(e, ValueError) and not isinstance(e, UnicodeEncodeError):
            return TransientError("the response body is not in the documented format of the API")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key only to the configured address."""
    from google import genai

    logging.getLogger("google_genai._api_client").addFilter(_is_relevant)
    return genai.Client(
        api_key=key or "none",
        vertexai=False,  # regardless of the environment
        http_options={
            "base_url": (settings.base_url or ADDRESS).rstrip("/"),
            "api_version": "v1beta",
            # milliseconds per read; `call_with_timeout` limits the whole request
            "timeout": max(1, int(settings.timeout * 1000)),
            "retry_options": {"attempts": 1},
            # following a redirect would send the key to another host
            "client_args": {
                "follow_redirects": False,
                "event_hooks": {"response": [_check_response]},
            },
        },
    )


def _check_response(response: Any) -> None:
    """Raise on an error status, and on a body that is not a JSON object.

    The library would fail on such a body, or take it for an empty reply.
    """
    if response.status_code != 200:
        raise Refused(response.status_code, response.headers, response.read())
    if not isinstance(json.loads(response.read()), dict):
        raise ValueError


def _is_relevant(record: logging.LogRecord) -> bool:
    """False for the library's warning that it uses GOOGLE_API_KEY, which does not apply here."""
    return not record.getMessage().startswith("Both GOOGLE_API_KEY and GEMINI_API_KEY")


def _read(response: Any, key: str) -> Reply:
    prompt, completion = _tokens(response.usage_metadata)

    def none(reason: str) -> Reply:
        return Reply(None, reason, None, prompt, completion)

    if response.prompt_feedback and response.prompt_feedback.block_reason:
        return none(f"the prompt was blocked: {_name(response.prompt_feedback.block_reason)}")
    candidates = response.candidates or []
    if len(candidates) != 1:
        return none(f"{len(candidates) or 'no'} candidates in the response, expected 1")
    end = _name(candidates[0].finish_reason)
    if end not in ("STOP", "MAX_TOKENS"):
        return none(f"the reply was blocked or incomplete: {end}")
    content = candidates[0].content
    parts = (content.parts if content else None) or []
    text = redact("".join(p.text or "" for p in parts if not p.thought), key)
    finish: Literal["stop", "length"] = "stop" if end == "STOP" else "length"
    if not text.strip():
        return none("the reply is empty")._replace(finish=finish)
    return Reply(text, None, finish, prompt, completion)


def _name(reason: Any) -> str:
    return one_line(getattr(reason, "name", reason) or "FINISH_REASON_UNSPECIFIED", None)


def _tokens(usage: Any) -> tuple[int | None, int | None]:
    """Token counts of the prompt and of the completion, thinking included."""
    if usage is None:
        return None, None
    prompt, total = usage.prompt_token_count, usage.total_token_count
    answer, thinking = usage.candidates_token_count, usage.thoughts_token_count
    if any(n is not None and n < 0 for n in (prompt, total, answer, thinking)):
        return None, None
    if prompt and total:
        return (prompt, total - prompt) if total >= prompt else (None, None)
    return prompt or None, (answer or 0) + (thinking or 0) or None
