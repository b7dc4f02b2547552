"""OpenAI, and any API compatible with its chat completions, through the openai library."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from lek.profile.schema import OpenAISettings
from lek.providers.api import APIEndpoint, InvalidBody
from lek.providers.errors import HTTPResponse, TransientError, from_response
from lek.providers.redaction import one_line, quiet_loggers
from lek.providers.request import Question, Reply, token_counts

_HEADERS = frozenset(
    "accept accept-encoding authorization connection content-length content-type host user-agent "
    "transfer-encoding".split()
)


class OpenAIEndpoint(APIEndpoint):
    """An endpoint for chat completions, local or hosted."""

    RESULTS: ClassVar = ("choices",)
    _settings: OpenAISettings

    def __init__(self, settings: OpenAISettings, key: str | None, library: Any) -> None:
        super().__init__(settings, key, settings.base_url)
        self._library = library
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

    def _request(self, question: Question) -> HTTPResponse:
        temperature = self._settings.temperature
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self._settings.model,
                messages=[
                    {"role": "system", "content": question.system},
                    {"role": "user", "content": question.user},
                ],
                **({} if temperature is None else {"temperature": temperature}),
                **self._limits(),
                **self._response_format(question),
            )
            # the library's own parser does not check types and accepts any text as a reply
            response = raw.http_response
        except self._library.APIStatusError as e:
            response = e.response
        headers = {k.lower(): v for k, v in response.headers.items()}
        return HTTPResponse(response.status_code, headers, response.content)

    def _limits(self) -> dict[str, int]:
        """The token limit; newer models of OpenAI refuse ``max_tokens``, the usual name."""
        host = f".{urlsplit(self._settings.base_url).hostname}"
        usual = "max_completion_tokens" if host.endswith(".openai.com") else "max_tokens"
        return {self._settings.token_limit or usual: self._settings.max_tokens}

    def _response_format(self, question: Question) -> dict[str, Any]:
        if self._settings.structured == "none":
            return {}
        if self._settings.structured == "json_object":
            return {"response_format": {"type": "json_object"}}
        json_schema = {"name": "verdict", "strict": True, "schema": _strict(question.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}

    def _read(self, body: Mapping[str, Any]) -> Reply:
        if not isinstance(body.get("choices"), list):
            raise InvalidBody
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        empty = Reply(None, None, None, *token_counts(*(usage.get(name) for name in names)))

        def none(reason: str) -> Reply:
            return empty._replace(reason=one_line(reason, self._key))

        if len(body["choices"]) != 1:
            count = len(body["choices"]) or "no"
            return none(f"{count} choices in the response, expected 1")
        (choice,) = body["choices"]
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict | None):
            raise InvalidBody
        end = choice.get("finish_reason")
        if choice.get("error"):  # such as OpenRouter's, for an error of the provider behind it
            content = json.dumps({"error": choice["error"]}).encode()
            raise from_response(HTTPResponse(200, {}, content), self._target)
        if end == "error":
            text = "the server broke off the reply (finish_reason: error)"
            raise TransientError(text, read=False)
        if message is None:
            raise InvalidBody
        text, refusal = _text(message.get("content"))
        if refusal := message.get("refusal") or refusal:
            return none(f"the judge refused: {refusal}")
        if end in ("content_filter", "tool_calls", "function_call"):
            return none(f"the reply was blocked or incomplete: {end}")
        finish: Literal["stop", "length"] | None = end if end in ("stop", "length") else None
        reply = empty._replace(text=text, finish=finish)
        if text.strip():
            return reply
        if finish is None and end:
            return none(f"the reply is empty (finish_reason: {end})")
        return self._no_text(reply, thought=_has_reasoning(message))


def _text(content: Any) -> tuple[str, str | None]:
    """The text in the ``content`` of a message, and the refusal in it.

    ``content`` is a text, a list of parts, or ``None``. Parts of other types, such as reasoning,
    have no text of the reply.
    """
    if content is None or isinstance(content, str):
        return content or "", None
    if not isinstance(content, list):
        raise InvalidBody
    parts = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    if not all(isinstance(part, dict) for part in parts):
        raise InvalidBody
    texts = [p.get("text") for p in parts if p.get("type", "text") in ("text", "output_text")]
    refusals = [p.get("refusal") for p in parts if p.get("type") == "refusal"]
    if not all(isinstance(text, str) for text in (*texts, *refusals)):
        raise InvalidBody
    return "".join(map(str, texts)), next((str(refusal) for refusal in refusals), None)


def _has_reasoning(message: Mapping[str, Any]) -> bool:
    """Whether ``message`` has reasoning, in a field of its own or in a part of its content."""
    content = message.get("content")
    parts = [p for p in content if isinstance(p, dict)] if isinstance(content, list) else []
    names = [name for name, value in message.items() if value]
    names += [str(part.get("type")) for part in parts]
    return any(name.startswith(("reasoning", "thinking")) for name in names)


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` for strict mode: every property is required, and no others are allowed."""
    strict = dict(schema)
    if "properties" in strict:
        strict["properties"] = {k: _strict(v) for k, v in strict["properties"].items()}
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    if isinstance(strict.get("items"), dict):
        strict["items"] = _strict(strict["items"])
    return strict
