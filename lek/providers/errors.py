"""What an API answered instead of a reply -> the fault that it is, told alike for all APIs."""

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST_WAIT = 600.0  # seconds; who is told to wait longer had better come back later
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ProviderError(Exception):
    """Why a request has no reply: one line, which never holds the key."""


class TransientError(ProviderError):
    """A fault that may pass: overload, time-out, reset. ``after``: seconds that the API named."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class RejectedRequest(ProviderError):
    """The API takes this question amiss (too long, malformed): asking it again won't help."""


class PermanentError(ProviderError):
    """Nothing asked now will fare better: wrong key, unknown model, a day's quota used up."""


def from_status(
    status: int,
    said: str,
    after: float | None,
    *,
    model: str,
    variable: str | None,
    denied: bool = False,
) -> ProviderError:
    """What the HTTP ``status`` comes to, in one line, of which the server ``said`` more.

    ``model`` was asked for, with the key that the environment's ``variable`` holds; ``denied``
    says that the key is wrong, whatever the status.
    """
    told = f"{status} {said}".strip()
    if denied or status in (401, 403):
        if variable is None:
            return PermanentError(f"refused without a key ({told}); name its variable in key")
        return PermanentError(f"{variable}: refused ({told}); check the key")
    if status == 402:
        return PermanentError(f"{told}; no credit is left")
    if status == 404:
        return PermanentError(f"no model {model} ({told}); check model and base_url")
    if status in (400, 413, 422):
        return RejectedRequest(told)
    if status in (408, 409, 425, 429) or status >= 500:
        if after is not None and after > LONGEST_WAIT:
            return PermanentError(f"{told}; {resume(after)}")
        return TransientError(told, after)
    return PermanentError(f"{told}; check base_url")  # such as a redirect: the key stays here


def named_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that ``headers`` (names in lower case) say to wait: ``retry-after`` of any kind.

    ``None`` where they say nothing, or nonsense.
    """
    thousandths = _number(headers.get("retry-after-ms", ""))
    if thousandths is not None:
        return thousandths / 1000
    given = headers.get("retry-after", "")
    if (seconds := _number(given)) is not None:
        return seconds
    try:
        when = parsedate_to_datetime(given)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def duration(text: object) -> float | None:
    """Seconds of a text such as ``34.07s``, ``6m0s`` or ``120ms``; ``None`` where it is none."""
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
    """When to come back, as a local time and as UTC; ``after`` is in seconds from now."""
    if after is None:
        return "resume later"
    if after > 30 * 86400:  # and what no calendar holds
        return f"resume in {after / 86400:.0f} days"
    return _at(datetime.now(UTC) + timedelta(seconds=after))


def midnight_pacific() -> str:
    """When Google counts a new day."""
    try:
        pacific = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without tz data
        return "resume after midnight Pacific time"
    tomorrow = datetime.now(pacific).date() + timedelta(days=1)
    return _at(datetime.combine(tomorrow, time(), tzinfo=pacific))


def _at(when: datetime) -> str:
    local, world = when.astimezone(), when.astimezone(UTC)
    told = f"resume after {local:%Y-%m-%d %H:%M %Z}"
    return told if local.utcoffset() == timedelta() else f"{told} ({world:%Y-%m-%d %H:%M} UTC)"


class Refused(Exception):
    """A server answered with another ``status`` than 200; names in ``headers`` in lower case."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {k.lower(): v for k, v in headers.items()}


def from_google(refused: Refused, key: str, *, model: str, variable: str) -> ProviderError:
    """What an error of Google's REST APIs comes to, from its body.

    Whatever in it is not as documented counts as not said.
    """
    try:
        body = json.loads(refused.body)
    except ValueError:  # a gateway's page
        body = refused.body[:1000].decode(errors="replace")
    status = refused.status
    body = body[0] if isinstance(body, list) and body else body
    found = body.get("error") if isinstance(body, dict) else body
    error = found if isinstance(found, dict) else {"message": found}
    given = error.get("details")
    details = [d for d in given if isinstance(d, dict)] if isinstance(given, list) else []
    said = one_line(error.get("message") or error.get("status") or "", key)
    if status == 429 and "PerDay" in str(details):
        return PermanentError(f"the day's quota is used up ({said}); {midnight_pacific()}")
    if error.get("status") == "FAILED_PRECONDITION":  # such as a country that is not served
        return PermanentError(f"{status} {said}")
    waits = [named_wait(refused.headers), *(duration(d.get("retryDelay")) for d in details)]
    after = max((w for w in waits if w is not None), default=None)
    denied = "API_KEY_INVALID" in str(details)
    return from_status(status, said, after, model=model, variable=variable, denied=denied)


_LONGEST_LINE, _HEAD = 200, 60


def one_line(text: object, key: str | None) -> str:
    """``text`` as one short line without control characters and without the ``key``."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    for secret in {key, quote(key, safe="")} if key else ():
        plain = plain.replace(secret, "[key]")
    if len(plain) <= _LONGEST_LINE:
        return plain
    return f"{plain[:_HEAD]} … {plain[_HEAD + 3 - _LONGEST_LINE :]}"  # the cause stands last


def redact(text: str, key: str | None) -> str:
    """A judge's reply without the ``key``; a short one is a word like "none", and no secret."""
    return text.replace(key, "[key]") if key and len(key) >= 8 else text


def sendable(key: str) -> bool:
    """Whether an HTTP header can hold the ``key``."""
    return bool(re.fullmatch(r"[!-~]+", key))


def quiet_loggers(*loggers: str) -> None:
    """Have the client libraries' ``loggers`` tell warnings only.

    At finer levels they write headers and bodies, in which a server may echo the key.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
