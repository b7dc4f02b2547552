"""A question to a judge -> Gemini's reply or a fault, through google-genai."""

import json
import logging
from typing import Any, Literal, Self

from pydantic import SecretStr

from lek.profile.schema import GeminiSettings
from lek.providers.errors import (
    PermanentError,
    ProviderError,
    Refused,
    RejectedRequest,
    TransientError,
    from_google,
    one_line,
    quiet_loggers,
    redact,
    sendable,
)
from lek.providers.request import Question, Reply, call_with_timeout

_ADDRESS = "https://generativelanguage.googleapis.com"
# The judge must read harmful texts to judge them: whatever can be turned off, is.
_HARMS = "HARASSMENT HATE_SPEECH SEXUALLY_EXPLICIT DANGEROUS_CONTENT".split()
_SAFETY = [{"category": f"HARM_CATEGORY_{h}", "threshold": "BLOCK_NONE"} for h in _HARMS]


class GenaiEndpoint:
    """Gemini."""

    def __init__(self, settings: GeminiSettings, key: str, client: Any) -> None:
        self._settings, self._key, self._client = settings, key, client

    @classmethod
    def open(cls, settings: GeminiSettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Nothing is sent yet: a bad key is told by `ask`."""
        secret = key.get_secret_value().strip() if key else ""
        quiet_loggers("google", "google_genai", "httpx", "httpx2", "httpcore", "httpcore2")
        return cls(settings, secret, _client(settings, secret))

    def ask(self, question: Question) -> Reply:
        """One request; raises a `ProviderError`, and nothing else."""
        if not sendable(self._key):
            raise PermanentError(f"{self._settings.key}: holds no key that can be sent")
        try:
            found = call_with_timeout(self._settings.timeout, lambda: self._request(question))
            return _read(found, self._key)
        except Exception as e:
            fault = self._account(e)
        raise fault from None

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
                "safety_settings": _SAFETY,
            },
        )

    def _account(self, e: Exception) -> ProviderError:
        origins = {c.__name__ for c in type(e).__mro__ if c.__module__.startswith("httpx")}
        if isinstance(e, Refused):
            names = {"model": self._settings.model, "variable": self._settings.key or "the key"}
            return from_google(e, self._key, **names)
        if isinstance(e, TimeoutError) or "TimeoutException" in origins:
            return TransientError(f"no whole reply after {self._settings.timeout:g} s")
        if "RequestError" in origins:  # of httpx or of its successor, whichever is there
            return TransientError(one_line(f"no connection, or a broken one: {e}", self._key))
        if isinstance(e, ValueError) and not isinstance(e, UnicodeEncodeError):
            return TransientError("the reply's body is not what the API promises")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key to nobody but the address given."""
    from google import genai

    logging.getLogger("google_genai._api_client").addFilter(_true)
    return genai.Client(
        api_key=key or "none",
        vertexai=False,  # whatever the environment says
        http_options={
            "base_url": (settings.base_url or _ADDRESS).rstrip("/"),
            "api_version": "v1beta",
            "timeout": max(
                1, int(settings.timeout * 1000)
            ),  # per read; `call_with_timeout` is the deadline
            "retry_options": {"attempts": 1},
            # a redirect, if followed, would carry the key to another host
            "client_args": {"follow_redirects": False, "event_hooks": {"response": [_whole]}},
        },
    )


def _whole(response: Any) -> None:
    """See to what the library trips over, or takes for an empty reply: a body that is no JSON."""
    if response.status_code != 200:
        raise Refused(response.status_code, response.headers, response.read())
    if not isinstance(json.loads(response.read()), dict):
        raise ValueError


def _true(record: logging.LogRecord) -> bool:
    """The library says that GOOGLE_API_KEY is used where it is set, though it is given a key."""
    return not record.getMessage().startswith("Both GOOGLE_API_KEY and GEMINI_API_KEY")


def _read(found: Any, key: str) -> Reply:
    prompt, completion = _tokens(found.usage_metadata)

    def none(reason: str) -> Reply:
        return Reply(None, reason, None, prompt, completion)

    if found.prompt_feedback and found.prompt_feedback.block_reason:
        return none(f"the prompt was blocked: {_name(found.prompt_feedback.block_reason)}")
    candidates = found.candidates or []
    if len(candidates) != 1:
        return none(f"{len(candidates) or 'no'} candidates where one was asked for")
    end = _name(candidates[0].finish_reason)
    if end not in ("STOP", "MAX_TOKENS"):
        return none(f"the reply was blocked or broken off: {end}")
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
    """Tokens of prompt and completion, which includes thinking."""
    if usage is None:
        return None, None
    prompt, total = usage.prompt_token_count, usage.total_token_count
    said, thought = usage.candidates_token_count, usage.thoughts_token_count
    if any(n is not None and n < 0 for n in (prompt, total, said, thought)):
        return None, None
    if prompt and total:
        return (prompt, total - prompt) if total >= prompt else (None, None)
    return prompt or None, (said or 0) + (thought or 0) or None
