"""A question to a judge -> Gemini's reply or a fault, through google-generativeai."""

import json
import warnings
from collections.abc import Mapping
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


class GeminiEndpoint:
    """Gemini. The library's state for all of a process (``configure``) is left alone."""

    def __init__(self, settings: GeminiSettings, key: str, library: Any, client: Any) -> None:
        self._settings, self._key = settings, key
        self._library, self._client = library, client

    @classmethod
    def open(cls, settings: GeminiSettings, key: SecretStr | None) -> Self:
        """An endpoint for ``settings.model``. Nothing is sent yet: a bad key is told by `ask`."""
        with warnings.catch_warnings():
            # it says at import that google-genai succeeds it, which a user may choose here, and
            # years ahead which Python it will no longer support; docs/judges.md says the former
            warnings.simplefilter("ignore", FutureWarning)
            import google.generativeai as library
        quiet_loggers("google", "urllib3", "requests")
        secret = key.get_secret_value().strip() if key else ""
        return cls(settings, secret, library, _client(settings, secret))

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
        model = self._library.GenerativeModel(
            self._settings.model, safety_settings=_SAFETY, system_instruction=question.system
        )
        model._client = self._client  # it would take the one of `configure`
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

    def _account(self, e: Exception) -> ProviderError:
        import google.auth.exceptions
        import google.protobuf.json_format
        import requests

        if isinstance(e, Refused):
            names = {"model": self._settings.model, "variable": self._settings.key or "the key"}
            return from_google(e, self._key, **names)
        if isinstance(e, TimeoutError | requests.Timeout):
            return TransientError(f"no whole reply after {self._settings.timeout:g} s")
        if isinstance(e, requests.RequestException | google.auth.exceptions.TransportError):
            return TransientError(one_line(f"no connection, or a broken one: {e}", self._key))
        if isinstance(e, google.protobuf.json_format.ParseError | UnicodeDecodeError):
            return TransientError("the reply's body is not what the API promises")
        return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key))


def _client(settings: GeminiSettings, key: str) -> Any:
    """A client that sends each request once, and the key to nobody but the address given."""
    from google.ai.generativelanguage import GenerativeServiceClient
    from google.auth.api_key import Credentials
    from requests.adapters import HTTPAdapter

    rest = GenerativeServiceClient.get_transport_class("rest")
    address = (settings.base_url or _ADDRESS).rstrip("/")
    transport = rest(host=address, credentials=Credentials(key or "none"))
    session = transport._session

    def refuse(response: Any, **_: Any) -> None:
        # before the library follows a redirect with the key, asks again after a 401, or trips
        # over an error that is not as Google words it
        if response.status_code != 200:
            raise Refused(response.status_code, response.headers, response.content)

    session.hooks["response"].append(refuse)
    session.auth = _ordered
    session.mount("https://", HTTPAdapter(pool_maxsize=settings.concurrency))
    session.mount("http://", HTTPAdapter(pool_maxsize=settings.concurrency))
    return GenerativeServiceClient(transport=transport)


def _ordered(request: Any) -> Any:
    """Say in which order the reply's properties are wanted: reasons before the scores.

    The library knows no such field, and without it the API may go by the alphabet. This is the
    last place where a request can be changed, whence its name in `requests`.
    """
    body = json.loads(request.body)
    form = body["generationConfig"]["responseSchema"]
    form["propertyOrdering"] = form["required"]
    request.prepare_body(json.dumps(body).encode(), None)
    return request


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of a JSON Schema this library can say: no bounds; all properties are required."""
    made: dict[str, Any] = {"type": str(given["type"]).upper()}
    made |= {k: given[k] for k in ("description", "enum") if k in given}
    if "properties" in given:
        made["properties"] = {k: _schema(v) for k, v in given["properties"].items()}
        made["required"] = list(made["properties"])
    if "items" in given:
        made["items"] = _schema(given["items"])
    return made


def _read(found: Any, key: str) -> Reply:
    usage = found.usage_metadata
    tokens = usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count
    prompt, completion = _tokens(*tokens)

    def none(reason: str) -> Reply:
        return Reply(None, reason, None, prompt, completion)

    if found.prompt_feedback.block_reason:
        return none(f"the prompt was blocked: {found.prompt_feedback.block_reason.name}")
    if len(found.candidates) != 1:
        return none(f"{len(found.candidates) or 'no'} candidates where one was asked for")
    (candidate,) = found.candidates
    end = candidate.finish_reason.name
    if end not in ("STOP", "MAX_TOKENS"):  # also what this library does not know
        return none(f"the reply was blocked or broken off: {end}")
    text = redact("".join(part.text for part in candidate.content.parts), key)
    finish: Literal["stop", "length"] = "stop" if end == "STOP" else "length"
    if not text.strip():
        return none("the reply is empty")._replace(finish=finish)
    return Reply(text, None, finish, prompt, completion)


def _tokens(prompt: int, candidates: int, total: int) -> tuple[int | None, int | None]:
    """Tokens of prompt and completion; 0 is how this library says that it was not told."""
    if prompt < 0 or candidates < 0 or total < 0 or 0 < total < prompt:
        return None, None
    completion = total - prompt if total and prompt else candidates
    return prompt or None, completion or None
