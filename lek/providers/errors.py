"""Provider errors, with one classification for all APIs."""

import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

LONGEST_WAIT = 600.0  # seconds; if an API requests a longer wait, the judge stops
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ProviderError(Exception):
    """A request failed. The message is one line and never contains the key."""


class TransientError(ProviderError):
    """A retry may succeed: overload, time-out, connection reset.

    ``after``: the seconds to wait that the API named, if any.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class RejectedRequest(ProviderError):
    """The API rejected this question (too long, malformed): a retry would not help."""


class PermanentError(ProviderError):
    """No other request can succeed now: wrong key, unknown model, daily quota used up."""


def from_status(
    status: int,
    message: str,
    after: float | None,
    *,
    model: str,
    variable: str | None,
    denied: bool = False,
) -> ProviderError:
    """Classify the HTTP ``status`` of a failed request.

    ``message``: the server's own explanation. ``after``: the seconds to wait that the server
    named. ``model``: the requested model. ``variable``: the environment variable that holds the
    key. ``denied``: the server said that the key is invalid, whatever the status.
    """
    response = f"{status} {message}".strip()
    if denied or status in (401, 403):
        if variable is None:
            return PermanentError(
                f"refused without a key ({response}); name its environment variable in key"
            )
        return PermanentError(f"{variable}: refused ({response}); check the key")
    if status == 402:
        return PermanentError(f"{response}; no credit is left on the account")
    if status == 404:
        return PermanentError(f"no model {model} ({response}); check model and base_url")
    if status in (400, 413, 422):
        return RejectedRequest(response)
    if status in (408, 409, 425, 429) or status >= 500:
        if after is not None and after > LONGEST_WAIT:
            return PermanentError(f"{response}; {resume(after)}")
        return TransientError(response, after)
    # such as a redirect, which is not followed because it would send the key to another address
    return PermanentError(f"{response}; check base_url")


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


_LONGEST_LINE, _HEAD = 200, 60  # characters


def one_line(text: object, key: str | None) -> str:
    """``text`` as one short line without control characters and without the ``key``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    for secret in {key, quote(key, safe="")} if key else ():
        line = line.replace(secret, "[key]")
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_HEAD]} … {line[_HEAD + 3 - _LONGEST_LINE :]}"  # the cause is at the end


def redact(text: str, key: str | None) -> str:
    """``text`` without the ``key``; a key under 8 characters is a placeholder such as "none"."""
    return text.replace(key, "[key]") if key and len(key) >= 8 else text


def sendable(key: str) -> bool:
    """Whether ``key`` can be sent in an HTTP header: visible ASCII characters, at least one."""
    return bool(re.fullmatch(r"[!-~]+", key))


def quiet_loggers(*loggers: str) -> None:
    """Restrict the client libraries' ``loggers`` to warnings and above.

    At lower levels they log headers and bodies, in which a server may echo the key.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
