"""The text of a file: its encoding and compression."""

import codecs
import gzip
import zlib
from io import BytesIO

MOST_BYTES = 2**30  # of a file, and of its content if it is compressed
_GZIP = b"\x1f\x8b"
_MARKS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def unpack(raw: bytes) -> bytes:
    """The content of a file, which may be compressed with gzip.

    Raises `ValueError` that says what is wrong: too large, cut off, or damaged.
    """
    if len(raw) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 2**20:,} MB; give a part of it")
    if not raw.startswith(_GZIP):
        return raw
    try:
        with gzip.open(BytesIO(raw)) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as e:
        raise ValueError(f"not a complete gzip file ({e}); compress it again") from e
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES // 2**20:,} MB when unpacked; give a part of it")
    return content


def decode(raw: bytes) -> str:
    """The text in ``raw``: UTF-8, or UTF-16 or UTF-32 with a byte order mark, which is removed.

    Raises `ValueError` that says what is wrong and what to do.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise ValueError(f"line {line}: not {encoding.upper()[:6].rstrip('-')} (byte {e.start}); "
                         "save it as UTF-8") from e  # fmt: skip
    if "\0" in text:
        raise ValueError("contains zero bytes, as UTF-16 without a mark does; save it as UTF-8")
    return text
