"""Remove API keys from texts before they are cut, logged, stored or shown."""

import base64
import logging
import re
from functools import lru_cache

_LONGEST_TEXT = 200_000  # characters of a text that is shortened, before the key is removed
_LONGEST_LINE, _HEAD = 200, 60  # characters
_PLACEHOLDER = 8  # a shorter key is a placeholder such as "none"
_GAP = r"(?:[^!-~]|\\u(?!00[2-7])[0-9a-f]{4}){0,4}"  # invisible between two characters of a key
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}  # HTML


def redact(text: str, key: str | None) -> str:
    """``text`` with ``[key]`` in the place of the ``key``, in whatever form it is written.

    Covers upper and lower case, percent-encoding, JSON and HTML escapes, hexadecimal digits, and
    Base64 of any text that contains the key, such as ``user:key``. Line breaks and invisible
    characters inside the key do not hide it. A key of fewer than 8 characters is a placeholder and
    stays.
    """
    if not key or len(key) < _PLACEHOLDER:
        return text
    return _pattern(key).sub("[key]", text)


def one_line(text: object, key: str | None) -> str:
    """``text`` as one short line without control characters, user names in URLs, and the ``key``.

    The key is removed first, so that no part of it remains where the line is cut. A short key is
    removed where it is a word of its own.
    """
    clean = redact(str(text)[:_LONGEST_TEXT], key)
    if key and len(key) < _PLACEHOLDER:
        clean = re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "[key]", clean)
    line = " ".join("".join(c if c.isprintable() else " " for c in clean).split())
    line = re.sub(r"(?<=://)[^/\s@]+@", "", line)
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_HEAD]} … {line[_HEAD + 3 - _LONGEST_LINE :]}"  # the cause is at the end


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


@lru_cache(maxsize=16)
def _pattern(key: str) -> re.Pattern[str]:
    """Matches all forms of ``key`` that `redact` covers."""
    forms = [key, key.encode().hex(), *_base64_forms(key.encode())]
    return re.compile("|".join(_GAP.join(map(_written, form)) for form in forms), re.I)


def _base64_forms(key: bytes) -> list[str]:
    """The Base64 characters that ``key`` determines, for each position in a group of 3 bytes."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + key).decode().rstrip("=")
        first = (0, 2, 3)[before]  # the characters before it depend on the preceding bytes too
        last = len(encoded) - bool((before + len(key)) % 3)
        forms.append(encoded[first:last])
    return forms


def _written(character: str) -> str:
    """A pattern for ``character`` as such, or in an encoding for URLs, JSON or HTML."""
    if character in "+-" or character in "/_":  # Base64 has an alphabet for URLs too
        pair = "+-" if character in "+-" else "/_"
        return "(?:" + "|".join(_escaped(c) for c in pair) + ")"
    return _escaped(character)


def _escaped(character: str) -> str:
    code = ord(character)
    html = (
        rf"&(?:amp;){{0,3}}(?:#0{{0,4}}{code}|#x0{{0,4}}{code:x}|{_NAMED.get(character, '(?!)')});"
    )
    url = f"%(?:25){{0,3}}{code:02x}"
    return rf"(?:\\{{0,8}}(?:{re.escape(character)}|u00{code:02x}|x{code:02x})|{url}|{html})"
