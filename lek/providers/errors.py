"""Provider errors, with one classification for all APIs."""

import ast
import json
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lek.providers.redaction import one_line, redact

LONGEST_WAIT = 600.0  # seconds; if an API requests a longer wait, the judge stops
_LONGEST_BODY = 200_000  # characters of an error's body that are read
_LONGEST_LITERAL = 10_000  # characters
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ProviderError(Exception):
    """A request failed. The message is one line and never contains the key.

    ``sent``: whether the request left this machine. ``read``: whether the server's response was
    read; otherwise the API may have charged for a reply that was lost.
    """

    def __init__(self, message: str, *, sent: bool = True, read: bool = True) -> None:
        super().__init__(message)
        self.sent, self.read = sent, read


class TransientError(ProviderError):
    """A retry may succeed: overload, time-out, connection reset.

    ``after``: the seconds to wait that the API named, if any.
    """

    def __init__(
        self, message: str, after: float | None = None, *, sent: bool = True, read: bool = True
    ) -> None:
        super().__init__(message, sent=sent, read=read)
        self.after = after


class UnreachableError(TransientError):
    """No connection: an unknown host, a closed port, an invalid certificate, a broken proxy."""


class RejectedRequest(ProviderError):
    """The API rejected this question (too long, malformed): a retry would not help.

    ``advised``: whether the message names the setting to change.
    """

    def __init__(
        self, message: str, *, sent: bool = True, read: bool = True, advised: bool = False
    ) -> None:
        super().__init__(message, sent=sent, read=read)
        self.advised = advised


class PermanentError(ProviderError):
    """No other request can succeed now: wrong key, unknown model, daily quota used up."""


class InternalError(Exception):
    """An error of this program, not of the API. The message is its traceback, without the key."""


def internal_error(error: Exception, key: str | None) -> InternalError:
    """An `InternalError` with the traceback of ``error``."""
    return InternalError(redact("".join(traceback.format_exception(error)), key).rstrip())


class Target(NamedTuple):
    """An endpoint, as its error messages name it.

    ``variable``: the environment variable that holds the ``key``. ``advice``: replaces the advice
    of an error message, for an endpoint with other settings than a judge of the kind "openai".
    """

    address: str
    model: str
    variable: str | None
    key: str | None
    advice: Mapping[str, str]


class HTTPResponse(NamedTuple):
    """A response of an API. The names in ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def from_response(response: HTTPResponse, target: Target) -> ProviderError:
    """Classify an error response, or an error in the body of a response with status 200.

    Reads the formats of OpenAI, of Google and of servers that resemble them, wherever in the body
    their fields are.
    """
    text = redact(response.body.decode(errors="replace")[:_LONGEST_BODY], target.key)
    body = _json(text)
    fields = list(_fields(body))
    message = one_line(text[:1000] if body is None else _sentence(body), target.key)
    status = response.status if response.status >= 300 else _status_of(fields)
    after = _longest([named_wait(response.headers), *_all_durations(fields, "retryDelay")])
    codes = {str(v) for k, v in fields if k in ("code", "type", "status", "reason")}
    if status == 429:
        if "insufficient_quota" in codes:
            return PermanentError(f"the quota is used up ({message}); check the account")
        if any(k == "quotaId" and "PerDay" in str(v) for k, v in fields):
            return PermanentError(f"the day's quota is used up ({message}); {midnight_pacific()}")
        if _DAILY.search(message):
            resets = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"]
            waits = [duration(response.headers.get(name, "")) for name in resets]
            when = resume(_longest([after, *waits]))
            return PermanentError(f"the day's quota is used up ({message}); {when}")
    if "FAILED_PRECONDITION" in codes:  # such as a country without the service
        return PermanentError(f"{status} {message}")
    parameter = next((str(v) for k, v in fields if k == "param" and v), "")
    return _from_status(
        status,
        message,
        after,
        target,
        denied=bool(codes & {"API_KEY_INVALID", "invalid_api_key"}),
        advice=_advice(parameter, message, target),
        location=response.headers.get("location", ""),
    )


_DAILY = re.compile(r"\b(?:requests|tokens) per day\b|\((?:RPD|TPD)\)", re.I)


def _from_status(
    status: int,
    message: str,
    after: float | None,
    target: Target,
    *,
    denied: bool,
    advice: str,
    location: str,
) -> ProviderError:
    response = f"{status} {message}".strip()
    if denied or status in (401, 403):
        if target.variable is None:
            return PermanentError(
                f"refused without a key ({response}); name its environment variable in key"
            )
        return PermanentError(f"{target.variable}: refused ({response}); check the key")
    if status == 402:
        return PermanentError(f"{response}; no credit is left on the account")
    if status == 404:
        # a router of models replies with 404 if none of them supports a parameter
        advice = advice if advice not in ("", "check model") else "check model and base_url"
        where = f"no model {target.model} ({response}) at {target.address}"
        return PermanentError(f"{where}; {advice}")
    if status in (400, 413, 422):
        text = f"{response.rstrip('.')}; {advice}" if advice else response
        return RejectedRequest(text, advised=bool(advice))
    if status in (408, 409, 425, 429) or status >= 500:
        if after is not None and after > LONGEST_WAIT:
            return PermanentError(f"{response}; {resume(after)}")
        return TransientError(response, after)
    if location and status < 400:  # not followed, because that could send the key to another host
        to = one_line(without_query(urljoin(f"{target.address}/", location)), target.key)
        return PermanentError(f"{status} redirect from {target.address} to {to}; check base_url")
    return PermanentError(f"{response} from {target.address}; check base_url")


_STATUSES = {  # of errors without a number, by their code or type
    "invalid_api_key": 401, "authentication_error": 401, "UNAUTHENTICATED": 401,
    "permission_error": 403, "permission_denied": 403, "PERMISSION_DENIED": 403,
    "insufficient_quota": 429, "rate_limit_exceeded": 429, "rate_limit_error": 429,
    "RESOURCE_EXHAUSTED": 429,
    "model_not_found": 404, "not_found_error": 404, "not_found": 404, "NOT_FOUND": 404,
    "invalid_request_error": 400, "invalid_request": 400, "context_length_exceeded": 400,
    "BadRequestError": 400, "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400,
}  # fmt: skip


def _status_of(fields: list[tuple[str, Any]]) -> int:
    """The status of an error that is in the body alone; 500 if the body does not name one."""
    for key, value in fields:
        if key in ("code", "status", "status_code", "http_status"):
            number = str(value)
            if re.fullmatch(r"[345]\d\d", number):
                return int(number)
    named = (_STATUSES[str(v)] for k, v in fields if k in ("code", "status", "type", "reason")
             and str(v) in _STATUSES)  # fmt: skip
    return next(named, 500)


# the settings that errors advise to change
STRUCTURED = 'set structured = "json_object" or "none"'
LIMIT_NAME = "change token_limit (the name of the limit) or max_tokens"
MAX_TOKENS = "change max_tokens"
TEMPERATURE = 'change temperature; "default" leaves it out'
_ADVICE = (
    (r"response_?(format|mime_?type|(json_?)?schema)|json[_ ]?(schema|object|mode)|structured",
     STRUCTURED),
    (r"chat_template_kwargs|enable_thinking", "delete decoding.enable_thinking"),
    (r"max_completion_tokens", LIMIT_NAME),
    (r"max_?(new_|output_?)?tokens", MAX_TOKENS),
    (r"temperature", TEMPERATURE),
    (r"(unknown|invalid|no such|unsupported) model|\bmodel\b.*(not (found|exist|supported|"
     r"available|support)|does not exist|unknown|invalid)|^model$", "check model"),
)  # fmt: skip


def _advice(parameter: str, message: str, target: Target) -> str:
    """Which setting to change, if the server names the ``parameter`` that it does not accept."""
    text = parameter or message
    if parameter == "max_tokens":  # then OpenAI's message may name max_completion_tokens
        text = message
    for pattern, advice in _ADVICE:
        if re.search(pattern, text, re.I):
            return target.advice.get(advice, advice)
    return ""


def _json(text: str) -> Any:
    """The value of a JSON text; ``None`` if it is none, such as an HTML page of a gateway."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fields(body: Any) -> Iterator[tuple[str, Any]]:
    """All keys of a JSON value with their values, the outer ones first."""
    values = [body]
    for value in values:
        if isinstance(value, dict):
            yield from value.items()
            values += value.values()
        elif isinstance(value, list):
            values += value


def _printed(text: str) -> Any:
    """The value of a text that is JSON, or a dictionary as Python prints it; else ``None``."""
    # Python warns of backslashes that do not form an escape, with the text of the server.
    literal = text[:_LONGEST_LITERAL].strip().replace("\\", "\\\\")
    try:
        return _json(text) or ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


_SENTENCES = (
    "message", "msg", "detail", "error_description", "error", "errors", "description", "reason",
    "title", "status", "type", "code",
)  # fmt: skip


def _sentence(value: Any, depth: int = 0) -> str:
    """What a server says in the JSON body of an error, as a text without JSON; may be empty."""
    if isinstance(value, str):
        inner = _printed(value) if value.lstrip()[:1] in ("{", "[") else None
        return value if inner is None or depth > 8 else _sentence(inner, depth + 1)
    if isinstance(value, list) and depth <= 8:
        return "; ".join(filter(None, (_sentence(v, depth + 1) for v in value[:3])))
    if isinstance(value, dict) and depth <= 8:
        sentences = (_sentence(value.get(key), depth + 1) for key in _SENTENCES)
        sentence = next(filter(None, sentences), "")
        place = value.get("loc")  # where in the request, in the errors of FastAPI
        return f"{'.'.join(map(str, place))}: {sentence}" if isinstance(place, list) else sentence
    return ""


def without_query(url: str) -> str:
    """``url`` without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
        return parts._replace(
            netloc=parts.netloc.rpartition("@")[2], query="", fragment=""
        ).geturl()
    except ValueError:
        return "an invalid address"


def named_wait(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that ``headers`` (names in lower case) ask for.

    Reads ``retry-after-ms`` and ``retry-after`` (seconds or a date). ``None`` if both are missing
    or invalid.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    retry_after = headers.get("retry-after", "")
    if (seconds := _number(retry_after)) is not None:
        return seconds
    try:
        when = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def duration(text: object) -> float | None:
    """Seconds of a duration such as ``34.07s``, ``6m0s`` or ``120ms``; ``None`` if invalid."""
    parts = re.findall(r"([\d.]+)(ms|[smhd])", str(text)[:40])
    if not parts or "".join(n + unit for n, unit in parts) != str(text):
        return None
    try:
        return sum(float(n) * _UNITS[unit] for n, unit in parts)
    except ValueError:
        return None


def _all_durations(fields: list[tuple[str, Any]], name: str) -> list[float | None]:
    return [duration(value) for key, value in fields if key == name]


def _longest(waits: list[float | None]) -> float | None:
    return max((wait for wait in waits if wait is not None), default=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def resume(after: float | None) -> str:
    """When to resume: ``after`` seconds from now, as local time and as UTC."""
    if after is None:
        return "resume later"
    if after > 30 * 86400:  # also avoids dates that `datetime` cannot represent
        return f"resume in {after / 86400:.0f} days"
    return resume_at(datetime.now(UTC) + timedelta(seconds=after))


def resume_at(when: datetime) -> str:
    """``when`` to resume, as local time and as UTC."""
    local, utc = when.astimezone(), when.astimezone(UTC)
    text = f"resume after {local:%Y-%m-%d %H:%M %Z}"
    return text if local.utcoffset() == timedelta() else f"{text} ({utc:%Y-%m-%d %H:%M} UTC)"


def midnight_pacific() -> str:
    """When to resume after Google's daily quotas are reset."""
    try:
        pacific = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without tz data
        return "resume after midnight Pacific time"
    tomorrow = datetime.now(pacific).date() + timedelta(days=1)
    return resume_at(datetime.combine(tomorrow, time(), tzinfo=pacific))
