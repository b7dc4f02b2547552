"""Compressed data inside an HTML page, which the page's own script unpacks.

Bytes are compressed with gzip and written as base 85: four bytes become five ASCII characters, none
of which has a meaning in HTML (base 64 would need 5.3). The alphabet is that of RFC 1924, with
``,./:`` for ``<>&```.
"""

import base64
import gzip

_SAFE = bytes.maketrans(b"<>&`", b",./:")


def pack(content: bytes) -> str:
    """Return ``content``, compressed, as text for a ``<script>`` element. Deterministic."""
    return encode(gzip.compress(content, 9, mtime=0))


def encode(content: bytes) -> str:
    """Return ``content`` in base 85; the last block may be shorter, as with `base64.b85encode`."""
    import numpy as np

    alphabet = np.frombuffer(_alphabet(), dtype=np.uint8)
    padding = -len(content) % 4
    words = np.frombuffer(content + b"\0" * padding, dtype=">u4").astype(np.uint32)
    digits = np.empty((len(words), 5), dtype=np.uint8)
    for place in reversed(range(5)):
        digits[:, place] = words % 85
        words //= 85
    text = alphabet[digits].tobytes().decode("ascii")
    return text[: len(text) - padding]


def _alphabet() -> bytes:
    """The 85 characters, from 0 to 84."""
    codes = b"".join(base64.b85encode(bytes([0, 0, 0, n]))[-1:] for n in range(85))
    return codes.translate(_SAFE)
