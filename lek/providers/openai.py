"""A question to a judge -> a reply or a fault, through OpenAI's library and any API of its kind."""

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


class OpenAIEndpoint:
    """An endpoint of chat completions, local or hosted."""

    def __init__(self, settings: OpenAISettings, key: str | None, library: Any) -> None:
        self._settings, self._key, self._library = settings, key, library
        self._client = library.OpenAI(
            # without a key the library would take OPENAI_API_KEY, and tell it to any address
            api_key=key or "none",
            base_url=settings.base_url,
            timeout=settings.timeout,  # per read; `call_with_timeout` is the deadline
            max_retries=0,
            http_client=library.DefaultHttpxClient(follow_redirects=False),
        )
        # whose account it is, which the library tells from the environment, is not for any address
        self._client.organization = self._client.project = None

    @classmethod
    def open(cls, settings: OpenAISettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Nothing is sent yet: a bad key is told by `ask`."""
        import openai as library

        quiet_loggers("openai", "httpx", "httpx2", "httpcore", "httpcore2")
        return cls(settings, key.get_secret_value().strip() if key else None, library)

    def ask(self, question: Question) -> Reply:
        """One request; raises a `ProviderError`, and nothing else."""
        if self._key is not None and not sendable(self._key):
            raise PermanentError(f"{self._settings.key}: holds no key that can be sent")
        try:
            body = call_with_timeout(self._settings.timeout, lambda: self._request(question))
            return _read(json.loads(body), self._key)
        except Exception as e:
            fault = self._account(e)
        raise fault from None

    def _request(self, question: Question) -> str:
        made = self._client.chat.completions.with_raw_response.create(
            model=self._settings.model,
            messages=[
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            temperature=self._settings.temperature,
            **self._limits(),
            **self._form(question),
        )
        # its own reading of a reply checks no types, and takes any text for one
        return str(made.http_response.text)

    def _limits(self) -> dict[str, int]:
        """OpenAI's newer models refuse the old name, which is the one that all others know."""
        host = urlsplit(self._settings.base_url).hostname or ""
        name = "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"
        return {name: self._settings.max_tokens}

    def _form(self, question: Question) -> dict[str, Any]:
        if self._settings.structured == "none":
            return {}
        if self._settings.structured == "json_object":
            return {"response_format": {"type": "json_object"}}
        form = {"name": "verdict", "strict": True, "schema": _strict(question.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": form}}

    def _account(self, e: Exception) -> ProviderError:
        if isinstance(e, self._library.APIStatusError):
            return self._refusal(e)
        if isinstance(e, TimeoutError | self._library.APITimeoutError):
            return TransientError(f"no whole reply after {self._settings.timeout:g} s")
        if isinstance(e, self._library.APIConnectionError):
            cause = e.__cause__ or e
            return TransientError(one_line(f"no connection, or a broken one: {cause}", self._key))
        if isinstance(e, _Odd | json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            return TransientError("the reply's body is not what the API promises")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))

    def _refusal(self, e: Any) -> ProviderError:
        headers = {k.lower(): v for k, v in e.response.headers.items()}
        body = e.body if isinstance(e.body, dict) else {"message": e.body or e.response.text}
        said = one_line(body.get("message") or body.get("error") or body, self._key)
        after = named_wait(headers)
        if e.status_code == 429:
            if "insufficient_quota" in (body.get("code"), body.get("type")):
                return PermanentError(f"quota used up; {said}")
            if _DAILY.search(str(body.get("message"))):
                resets = [headers.get(f"x-ratelimit-reset-{w}") for w in ("requests", "tokens")]
                waits = [after, *(duration(r) for r in resets if r)]
                when = resume(max((w for w in waits if w is not None), default=None))
                return PermanentError(f"the day's quota is used up ({said}); {when}")
        model, variable = self._settings.model, self._settings.key
        return from_status(e.status_code, said, after, model=model, variable=variable)


class _Odd(ValueError):
    """The JSON that came is no chat completion."""


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` as the strict mode wants it: every property required, and no others."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {k: _strict(v) for k, v in made["properties"].items()}
        made |= {"required": list(made["properties"]), "additionalProperties": False}
    if isinstance(made.get("items"), dict):
        made["items"] = _strict(made["items"])
    return made


def _read(body: Any, key: str | None) -> Reply:
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise _Odd
    prompt, completion = _tokens(body.get("usage"))

    def none(reason: str) -> Reply:
        return Reply(None, one_line(reason, key), None, prompt, completion)

    if len(body["choices"]) != 1:
        return none(f"{len(body['choices']) or 'no'} choices where one was asked for")
    (choice,) = body["choices"]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise _Odd
    end, text = choice.get("finish_reason"), message.get("content")
    if message.get("refusal"):
        return none(f"the judge refused: {message['refusal']}")
    if end in ("content_filter", "tool_calls", "function_call"):
        return none(f"the reply was blocked or broken off: {end}")
    finish: Literal["stop", "length"] | None = end if end in ("stop", "length") else None
    if not isinstance(text, str) or not text.strip():
        return none("the reply is empty")._replace(finish=finish)
    return Reply(redact(text, key), None, finish, prompt, completion)


def _tokens(usage: Any) -> tuple[int | None, int | None]:
    """Tokens of prompt and completion, which includes thinking."""
    if not isinstance(usage, dict):
        return None, None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    prompt, completion = (n if type(n) is int and n >= 0 else None for n in counts)
    return prompt, completion
