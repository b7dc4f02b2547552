"""Base class, constants and errors for the clients of Google's API."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lek.profile.schema import GeminiSettings
from lek.providers.errors import (
    PermanentError,
    ProviderError,
    duration,
    from_status,
    named_wait,
    one_line,
    resume_at,
    sendable,
)
from lek.providers.request import Question, Reply, call_with_timeout

ADDRESS = "https://generativelanguage.googleapis.com"
# A judge has to read harmful texts, so all safety filters that can be disabled are disabled.
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
SAFETY = [{"category": f"HARM_CATEGORY_{h}", "threshold": "BLOCK_NONE"} for h in _HARMS]


class GoogleEndpoint(ABC):
    """What the endpoints of both client libraries share: `ask`, and the errors of the API."""

    def __init__(self, settings: GeminiSettings, key: str) -> None:
        self._settings, self._key = settings, key

    def ask(self, question: Question) -> Reply:
        """Send one request, without retries; raises only `ProviderError`."""
        if not sendable(self._key):
            raise PermanentError(
                f"{self._settings.key}: holds no key that can be sent in an HTTP header"
            )
        try:
            response = call_with_timeout(self._settings.timeout, lambda: self._request(question))
            return self._read(response)
        except Exception as e:
            error = self._to_provider_error(e)
        raise error from None  # the cause may contain the key

    def _to_provider_error(self, e: Exception) -> ProviderError:
        if isinstance(e, Refused):
            names = {"model": self._settings.model, "variable": self._settings.key or "the key"}
            return from_google(e, self._key, **names)
        return self._classify(e)

    @abstractmethod
    def _request(self, question: Question) -> Any:
        """Send ``question`` through the library; return its response."""

    @abstractmethod
    def _read(self, response: Any) -> Reply:
        """Convert a response of the library."""

    @abstractmethod
    def _classify(self, e: Exception) -> ProviderError:
        """Classify an error of the library, other than `Refused`."""


class Refused(Exception):
    """A server returned a ``status`` other than 200. The names in ``headers`` are lower-cased."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {k.lower(): v for k, v in headers.items()}


def from_google(refused: Refused, key: str, *, model: str, variable: str) -> ProviderError:
    """Classify an error of Google's REST APIs by its body.

    Parts of the body that are not in the documented format are ignored.
    """
    try:
        body = json.loads(refused.body)
    except ValueError:  # an HTML page of a gateway
        body = refused.body[:1000].decode(errors="replace")
    status = refused.status
    body = body[0] if isinstance(body, list) and body else body
    raw_error = body.get("error") if isinstance(body, dict) else body
    error = raw_error if isinstance(raw_error, dict) else {"message": raw_error}
    raw_details = error.get("details")
    if not isinstance(raw_details, list):
        raw_details = []
    details = [detail for detail in raw_details if isinstance(detail, dict)]
    message = one_line(error.get("message") or error.get("status") or "", key)
    if status == 429 and "PerDay" in str(details):
        return PermanentError(f"the day's quota is used up ({message}); {midnight_pacific()}")
    if error.get("status") == "FAILED_PRECONDITION":  # such as a country without the service
        return PermanentError(f"{status} {message}")
    waits = [named_wait(refused.headers), *(duration(d.get("retryDelay")) for d in details)]
    after = max((w for w in waits if w is not None), default=None)
    denied = "API_KEY_INVALID" in str(details)
    return from_status(status, message, after, model=model, variable=variable, denied=denied)


def midnight_pacific() -> str:
    """When to resume after Google's daily quotas are reset."""
    try:
        pacific = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without tz data
        return "resume after midnight Pacific time"
    tomorrow = datetime.now(pacific).date() + timedelta(days=1)
    return resume_at(datetime.combine(tomorrow, time(), tzinfo=pacific))
