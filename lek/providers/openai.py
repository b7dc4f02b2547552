"""OpenAI, and any API compatible with its chat completions, through the openai library."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from lek.profile.schema import OpenAISettings
from lek.providers.errors import (
    PermanentError,
    ProviderError,
    RejectedRequest,
    TransientError,
    duration,
    from_status,
    named_wait,
    one_line,
    quiet_loggers,
    redact,
    resume,
    sendable,
)
from lek.providers.request import Question, Reply, call_with_timeout

_DAILY = re.compile(r"\b(?:requests|tokens) per day\b|\((?:RPD|TPD)\)", re.I)

_HEADERS = frozenset(
    "accept accept-encoding authorization connection content-length content-type host user-agent "
    "transfer-encoding".split()
)


class OpenAIEndpoint:
    """An endpoint for chat completions, local or hosted."""

    def __init__(self, settings: OpenAISettings, key: str | None, library: Any) -> None:
        self._settings, self._key, self._library = settings, key, library
        self._client = library.OpenAI(
            # without a key the library would send OPENAI_API_KEY, to any address
            api_key=key or "none",
            base_url=settings.base_url,
            timeout=settings.timeout,  # per read; `call_with_timeout` limits the whole request
            max_retries=0,
            http_client=library.DefaultHttpxClient(
                follow_redirects=False, event_hooks={"request": [self._remove_foreign_headers]}
            ),
        )
        # The library reads these from the environment and would send them to any address.
        self._client.organization = self._client.project = None
        self._client._custom_headers = {}

    def _remove_foreign_headers(self, request: Any) -> None:
        """Remove headers that neither the protocol nor the profile needs, whoever added them."""
        for name in list(request.headers):
            if name.lower() not in _HEADERS and not name.lower().startswith("x-stainless-"):
                del request.headers[name]
        request.headers["authorization"] = f"Bearer {self._key or 'none'}"

    @classmethod
    def open(cls, settings: OpenAISettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Sends nothing: `ask` reports an invalid key."""
        import openai as library

        quiet_loggers("openai", "httpx", "httpx2", "httpcore", "httpcore2")
        return cls(settings, key.get_secret_value().strip() if key else None, library)

    def ask(self, question: Question) -> Reply:
        """Send one request, without retries; raises only `ProviderError`."""
        if self._key is not None and not sendable(self._key):
            raise PermanentError(
                f"{self._settings.key}: holds no key that can be sent in an HTTP header"
            )
        try:
            body = call_with_timeout(self._settings.timeout, lambda: self._request(question))
            return _read(json.loads(body), self._key)
        except Exception as e:
            error = self._to_provider_error(e)
        raise error from None  # the cause may contain the key

    def _request(self, question: Question) -> str:
        response = self._client.chat.completions.with_raw_response.create(
            model=self._settings.model,
            messages=[
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            temperature=self._settings.temperature,
            **self._limits(),
            **self._response_format(question),
        )
        # the library's own parser does not check types and accepts any text as a reply
        return str(response.http_response.text)

    def _limits(self) -> dict[str, int]:
        """The token limit; newer models of OpenAI refuse ``max_tokens``, the usual name."""
        host = urlsplit(self._settings.base_url).hostname or ""
        name = "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"
        return {name: self._settings.max_tokens}

    def _response_format(self, question: Question) -> dict[str, Any]:
        if self._settings.structured == "none":
            return {}
        if self._settings.structured == "json_object":
            return {"response_format": {"type": "json_object"}}
        json_schema = {"name": "verdict", "strict": True, "schema": _strict(question.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}

    def _to_provider_error(self, e: Exception) -> ProviderError:
        if isinstance(e, self._library.APIStatusError):
            return self._classify_status(e)
        if isinstance(e, TimeoutError | self._library.APITimeoutError):
            return TransientError(f"no complete reply after {self._settings.timeout:g} s (timeout)")
        if isinstance(e, self._library.APIConnectionError):
            cause = e.__cause__ or e
            return TransientError(one_line(f"connection failed or interrupted: {cause}", self._key))
        if isinstance(e, _InvalidBody | json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            return TransientError("the response body is not in the documented format of the API")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))

    def _classify_status(self, e: Any) -> ProviderError:
        headers = {k.lower(): v for k, v in e.response.headers.items()}
        body = e.body if isinstance(e.body, dict) else {"message": e.body or e.response.text}
        message = one_line(body.get("message") or body.get("error") or body, self._key)
        after = named_wait(headers)
        if e.status_code == 429:
            if "insufficient_quota" in (body.get("code"), body.get("type")):
                return PermanentError(f"the quota is used up ({message}); check the account")
            if _DAILY.search(str(body.get("message"))):
                resets = [headers.get(f"x-ratelimit-reset-{w}") for w in ("requests", "tokens")]
                waits = [after, *(duration(r) for r in resets if r)]
                when = resume(max((w for w in waits if w is not None), default=None))
                return PermanentError(f"the day's quota is used up ({message}); {when}")
        model, variable = self._settings.model, self._settings.key
        return from_status(e.status_code, message, after, model=model, variable=variable)


class _InvalidBody(ValueError):
    """The JSON body is not a chat completion."""


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` for strict mode: every property is required, and no others are allowed."""
    strict = dict(schema)
    if "properties" in strict:
        strict["properties"] = {k: _strict(v) for k, v in strict["properties"].items()}
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    if isinstance(strict.get("items"), dict):
        strict["items"] = _strict(strict["items"])
    return strict


def _read(body: Any, key: str | None) -> Reply:
    """The reply in the decoded JSON ``body``; raises `_InvalidBody`."""
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise _InvalidBody
    prompt, completion = _tokens(body.get("usage"))

    def none(reason: str) -> Reply:
        return Reply(None, one_line(reason, key), None, prompt, completion)

    if len(body["choices"]) != 1:
        return none(f"{len(body['choices']) or 'no'} choices in the response, expected 1")
    (choice,) = body["choices"]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise _InvalidBody
    end, text = choice.get("finish_reason"), message.get("content")
    if message.get("refusal"):
        return none(f"the judge refused: {message['refusal']}")
    if end in ("content_filter", "tool_calls", "function_call"):
        return none(f"the reply was blocked or incomplete: {end}")
    finish: Literal["stop", "length"] | None = end if end in ("stop", "length") else None
    if not isinstance(text, str) or not text.strip():
        return none("the reply is empty")._replace(finish=finish)
    return Reply(redact(text, key), None, finish, prompt, completion)


def _tokens(usage: Any) -> tuple[int | None, int | None]:
    """Token counts of the prompt and of the completion, thinking included."""
    if not isinstance(usage, dict):
        return None, None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    prompt, completion = (n if type(n) is int and n >= 0 else None for n in counts)
    return prompt, completion
