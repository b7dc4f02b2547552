"""Base class and constants of the two client libraries for Google's API."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from lek.profile.schema import GeminiSettings
from lek.providers.api import APIEndpoint, InvalidBody
from lek.providers.errors import STRUCTURED, HTTPResponse
from lek.providers.redaction import one_line
from lek.providers.request import Reply, token_counts

ADDRESS = "https://generativelanguage.googleapis.com"
# A judge has to read harmful texts, so all safety filters that can be disabled are disabled.
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
SAFETY = [{"category": f"HARM_CATEGORY_{h}", "threshold": "BLOCK_NONE"} for h in _HARMS]


class Received(Exception):
    """A response, raised in a hook before the library reads it.

    The library would follow redirects with the key, retry after a 401, fail on an error that is not
    in Google's format, and print unknown values in a warning.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.response = HTTPResponse(status, {k.lower(): v for k, v in headers.items()}, body)


class GoogleEndpoint(APIEndpoint):
    """What the endpoints of both client libraries share: how responses are read."""

    RESULTS: ClassVar = ("candidates", "promptFeedback")
    _settings: GeminiSettings

    def __init__(self, settings: GeminiSettings, key: str) -> None:
        advice = {STRUCTURED: "check model: it may not support a JSON Schema"}
        super().__init__(settings, key, settings.base_url or ADDRESS, advice)

    def _generation_config(self) -> dict[str, Any]:
        """The settings of a request that both libraries give the same names."""
        temperature = self._settings.temperature
        return {
            "candidate_count": 1,
            **({} if temperature is None else {"temperature": temperature}),
            "max_output_tokens": self._settings.max_tokens,
            "response_mime_type": "application/json",
        }

    def _read(self, body: Mapping[str, Any]) -> Reply:
        empty = Reply(None, None, None, *_tokens(_table(body, "usageMetadata")))

        def none(reason: str) -> Reply:
            return empty._replace(reason=one_line(reason, self._key))

        if block := _table(body, "promptFeedback").get("blockReason"):
            return none(f"the prompt was blocked: {block}")
        candidates = body.get("candidates") or []
        if not isinstance(candidates, list):
            raise InvalidBody
        if len(candidates) != 1:
            return none(f"{len(candidates) or 'no'} candidates in the response, expected 1")
        candidate = candidates[0] if isinstance(candidates[0], dict) else {}
        end = candidate.get("finishReason") or "FINISH_REASON_UNSPECIFIED"
        if end not in ("STOP", "MAX_TOKENS"):
            return none(f"the reply was blocked or incomplete: {end}")
        parts = _table(candidate, "content").get("parts") or []
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise InvalidBody
        texts = [part.get("text") or "" for part in parts if not part.get("thought")]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidBody
        finish: Literal["stop", "length"] = "stop" if end == "STOP" else "length"
        reply = empty._replace(text="".join(texts), finish=finish)
        if "".join(texts).strip():
            return reply
        return self._no_text(reply, thought=len(texts) < len(parts))


def _table(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = body.get(name)
    return table if isinstance(table, dict) else {}


def _tokens(usage: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Token counts of the prompt and of the completion, thinking included."""
    answer, thinking = usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount")
    if type(answer) is int and type(thinking) is int:
        answer += thinking
    elif answer is None:
        answer = thinking
    return token_counts(usage.get("promptTokenCount"), answer, usage.get("totalTokenCount"))
