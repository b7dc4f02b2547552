"""OpenAI, and any API compatible with its chat completions, through the openai library."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from lek.profile.schema import ChatSettings, OpenAISettings
from lek.providers.api import APIEndpoint, InvalidBody
from lek.providers.errors import (
    LIMIT_NAME,
    MAX_TOKENS,
    TEMPERATURE,
    HTTPResponse,
    TransientError,
    from_response,
)
from lek.providers.redaction import one_line, quiet_loggers
from lek.providers.request import Question, Reply, Sampling, token_counts

_HEADERS = frozenset(
    "accept accept-encoding authorization connection content-length content-type host user-agent "
    "transfer-encoding".split()
)

_ADVICE = {  # for a served subject
    LIMIT_NAME: "change token_limit (the name of the limit) or decoding.max_tokens",
    MAX_TOKENS: "change decoding.max_tokens",
    TEMPERATURE: "change decoding.temperature",
}


class OpenAIEndpoint(APIEndpoint):
    """An endpoint for chat completions, local or hosted, of a judge or of a served subject."""

    RESULTS: ClassVar = ("choices",)
    _settings: ChatSettings

    def __init__(self, settings: ChatSettings, key: str | None, library: Any) -> None:
        advice = {} if isinstance(settings, OpenAISettings) else _ADVICE
        super().__init__(settings, key, settings.base_url, advice)
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
    def open(cls, settings: ChatSettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Sends nothing: `ask` reports an invalid key."""
        import openai as library

        quiet_loggers("openai", "httpx", "httpx2", "httpcore", "httpcore2")
        return cls(settings, key.get_secret_value().strip() if key else None, library)

    def _request(self, question: Question) -> HTTPResponse:
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self._settings.model,
                messages=_messages(question),
                **self._sampling(question),
                **self._response_format(question),
            )
            # the library's own parser does not check types and accepts any text as a reply
            response = raw.http_response
        except self._library.APIStatusError as e:
            response = e.response
        headers = {k.lower(): v for k, v in response.headers.items()}
        return HTTPResponse(response.status_code, headers, response.content)

    def _sampling(self, question: Question) -> dict[str, Any]:
        """The parameters that decide how the reply is generated."""
        sampling = question.sampling
        if sampling is None:
            assert isinstance(self._settings, OpenAISettings)
            sampling = Sampling(self._settings.max_tokens, self._settings.temperature)
        values: dict[str, Any] = {
            "temperature": sampling.temperature,
            self._limit_name(): sampling.max_tokens,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if sampling.thinking is not None:
            values["extra_body"] = {"chat_template_kwargs": {"enable_thinking": sampling.thinking}}
        return {name: value for name, value in values.items() if value is not None}

    def _limit_name(self) -> str:
        """The name of the token limit; newer models of OpenAI refuse ``max_tokens``."""
        host = f".{urlsplit(self._settings.base_url).hostname}"
        usual = "max_completion_tokens" if host.endswith(".openai.com") else "max_tokens"
        return self._settings.token_limit or usual

    def _response_format(self, question: Question) -> dict[str, Any]:
        settings = self._settings
        if question.schema is None or not isinstance(settings, OpenAISettings):
            return {}
        if settings.structured == "none":
            return {}
        if settings.structured == "json_object":
            return {"response_format": {"type": "json_object"}}
        json_schema = {"name": "verdict", "strict": True, "schema": _strict(question.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}

    def _read(self, body: Mapping[str, Any]) -> Reply:
        if not isinstance(body.get("choices"), list):
            raise InvalidBody
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        empty = Reply(
            None,
            None,
            None,
            *token_counts(*(usage.get(name) for name in names)),
            model=self._name(body.get("model")),
            system_fingerprint=self._name(body.get("system_fingerprint")),
        )

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
        if end in ("error", "abort"):
            text = f"the server broke off the reply (finish_reason: {end})"
            raise TransientError(text, read=False)
        if message is None:
            raise InvalidBody
        text, refusal = _text(message.get("content"))
        thought = _thought(message)
        empty = empty._replace(thought=thought, thought_tokens=_thought_tokens(usage))
        if refusal := message.get("refusal") or refusal:
            return none(f"the judge refused: {refusal}")._replace(refusal=str(refusal))
        if end in ("content_filter", "tool_calls", "function_call"):
            return none(f"the reply was blocked or incomplete: {end}")
        finish: Literal["stop", "length"] | None = end if end in ("stop", "length") else None
        reply = empty._replace(text=text, finish=finish)
        if text.strip():
            return reply
        if finish is None and end:
            return none(f"the reply is empty (finish_reason: {end})")
        return self._no_text(reply, thought=_has_reasoning(message))

    def _name(self, value: Any) -> str | None:
        """A name that the server gives itself, as one line."""
        return one_line(value, self._key) or None if isinstance(value, str) else None


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


def _messages(question: Question) -> list[dict[str, str]]:
    """The messages of a chat that ``question`` begins."""
    system = [] if question.system is None else [{"role": "system", "content": question.system}]
    return [*system, {"role": "user", "content": question.user}]


def _thought(message: Mapping[str, Any]) -> str | None:
    """What the model thought, where ``message`` has a field for it."""
    thought = next(filter(None, (message.get(n) for n in ("reasoning_content", "reasoning"))), None)
    return thought.strip() or None if isinstance(thought, str) else None


def _thought_tokens(usage: Mapping[str, Any]) -> int | None:
    details = usage.get("completion_tokens_details")
    count = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return count if type(count) is int and count > 0 else None


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
