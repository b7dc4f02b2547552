"""What a client library or a server says -> text that holds no key."""

import logging
import re
from urllib.parse import quote

_LONGEST_LINE, _HEAD = 200, 60


def line(text: object, key: str | None) -> str:
    """``text`` as one short line without control characters and without the ``key``."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    for secret in {key, quote(key, safe="")} if key else ():
        plain = plain.replace(secret, "[key]")
    if len(plain) <= _LONGEST_LINE:
        return plain
    return f"{plain[:_HEAD]} … {plain[_HEAD + 3 - _LONGEST_LINE :]}"  # the cause stands last


def without(text: str, key: str | None) -> str:
    """A judge's reply without the ``key``; a short one is a word like "none", and no secret."""
    return text.replace(key, "[key]") if key and len(key) >= 8 else text


def sendable(key: str) -> bool:
    """Whether an HTTP header can hold the ``key``."""
    return bool(re.fullmatch(r"[!-~]+", key))


def hush(*loggers: str) -> None:
    """Have the client libraries' ``loggers`` tell warnings only.

    At finer levels they write headers and bodies, in which a server may echo the key.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
