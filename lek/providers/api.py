"""Base class of the endpoints: one request through a client library, and its response or error."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lek.profile.schema import APISettings, LLMJudgeSettings
from lek.providers.errors import (
    HTTPResponse,
    PermanentError,
    ProviderError,
    RejectedRequest,
    Target,
    TransientError,
    UnreachableError,
    from_response,
    internal_error,
    without_query,
)
from lek.providers.redaction import one_line, redact, sendable
from lek.providers.request import Question, Reply, call_with_timeout

# names of exceptions of httpx, requests and urllib3
_TIMEOUTS = {"TimeoutException", "APITimeoutError", "Timeout"}
_UNREACHABLE = {
    "ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol",
    "NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLCertVerificationError",
    "InvalidProxyURL",
}  # fmt: skip
_INTERRUPTED = {"TransportError", "RequestException", "OSError"}
_LIBRARIES = ("openai", "httpx", "httpcore", "requests", "urllib3", "google", "h11", "pydantic")


class APIEndpoint(ABC):
    """An endpoint that a client library talks to.

    ``address``: the base URL. ``key``: the API key; ``None`` if the settings name none. ``advice``:
    see `Target`.
    """

    # names of the fields of a response of which one must be present
    RESULTS: ClassVar[tuple[str, ...]]

    def __init__(
        self, settings: APISettings, key: str | None, address: str, advice: Mapping[str, str]
    ) -> None:
        self._settings, self._key = settings, key
        address = without_query(address)
        self._target = Target(address, settings.model, settings.key, key, advice)

    def ask(self, question: Question) -> Reply:
        """Send one request, without retries.

        Raises `ProviderError`, or `InternalError` for an error of this program.
        """
        if self._key is not None and not sendable(self._key):
            name = self._settings.key or "the key"
            text = f"{name}: holds no key that can be sent in an HTTP header"
            raise PermanentError(text, sent=False)
        try:
            response = call_with_timeout(self._settings.timeout, lambda: self._request(question))
            return self._reply(response)
        except Exception as e:
            error = e if isinstance(e, ProviderError) else self._classify(e)
        raise error from None  # the cause may contain the key

    @abstractmethod
    def _request(self, question: Question) -> HTTPResponse:
        """Send ``question`` through the library; return the response, whatever its status."""

    @abstractmethod
    def _read(self, body: Mapping[str, Any]) -> Reply:
        """Read the decoded body of a response, which has one of `RESULTS`.

        Raises `InvalidBody`, or an error that the body contains.
        """

    def _reply(self, response: HTTPResponse) -> Reply:
        if not 200 <= response.status < 300:
            raise from_response(response, self._target)
        if response.status != 200 and not response.body.strip():
            place = f"{response.status} without a reply from {self._target.address}"
            raise PermanentError(f"{place}; check base_url")
        try:
            body = _decoded(redact(response.body.decode("utf-8-sig"), self._key))
            if _is_error(body, self.RESULTS):
                raise from_response(response, self._target)
            if not isinstance(body, dict):
                raise InvalidBody
            return self._read(body)
        except (InvalidBody, UnicodeDecodeError):
            text = "the response body is not in the documented format of the API"
            error = TransientError(f"{text} ({self._target.address})", read=False)
        raise error

    def _classify(self, e: Exception) -> Exception:
        """The `ProviderError` for an error of the library or the network, else `InternalError`."""
        if type(e).__name__ == "APIConnectionError" and isinstance(e.__cause__, Exception):
            e = e.__cause__  # the openai library raises it for any exception in a request
        chain = list(_chain(e))
        names = {c.__name__ for error in chain for c in type(error).__mro__}
        sent = not names & _UNREACHABLE
        if isinstance(e, TimeoutError) or names & _TIMEOUTS:
            text = f"no complete reply after {self._settings.timeout:g} s (timeout)"
            return TransientError(f"{text} from {self._target.address}", sent=sent, read=not sent)
        if names & (_UNREACHABLE | _INTERRUPTED):
            system = [c.strerror for c in chain if isinstance(c, OSError) and c.strerror]
            cause = one_line(system[-1] if system else chain[-1], self._key)
            if not sent:
                text = f"connection failed: {cause} ({self._target.address})"
                return UnreachableError(text, sent=False)
            text = f"connection failed or interrupted: {cause} ({self._target.address})"
            return TransientError(text, read=False)
        if type(e).__module__.startswith(_LIBRARIES):
            return RejectedRequest(one_line(f"{type(e).__name__}: {e}", self._key), sent=False)
        return internal_error(e, self._key)

    def _no_text(self, reply: Reply, *, thought: bool) -> Reply:
        """``reply`` with the reason why it has no text. ``thought``: whether it has reasoning."""
        if reply.finish == "length":
            why = "no text: thinking used up decoding.max_tokens; raise it"
            if isinstance(self._settings, LLMJudgeSettings):
                limit = f"max_tokens = {self._settings.max_tokens}"
                why = f"no text: thinking used up {limit}; raise max_tokens"
        elif thought:
            why = "the reply has reasoning but no text"
        else:
            why = "the reply is empty"
        return reply._replace(text=None, reason=why)


class InvalidBody(Exception):
    """The JSON body of a response is not in the documented format."""


def _decoded(text: str) -> Any:
    """The value of a JSON ``text``; raises `InvalidBody`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidBody from None


def _is_error(body: Any, results: tuple[str, ...]) -> bool:
    """Whether ``body`` is an error object, or a list of these, instead of a result."""
    while isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict) or any(body.get(name) for name in results):
        return False
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and its causes, from the outermost to the innermost."""
    errors = [error]
    for e in errors:
        yield e
        inner = [e.__cause__, getattr(e, "reason", None), *e.args]
        errors += [i for i in inner if isinstance(i, BaseException) and i not in errors]
