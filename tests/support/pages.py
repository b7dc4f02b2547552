"""What a report contains in compressed form."""

import base64
import gzip
import json
import re
from typing import Any

_BLOCK = re.compile(r'<script type="text/plain" class="lek-block">(.*?)</script>')
_SAFE = str.maketrans(",./:", "<>&`")


def cases_of(page: str) -> list[dict[str, Any]]:
    """The texts of all cases in a report, in its order."""
    blocks = (gzip.decompress(base64.b85decode(b.translate(_SAFE))) for b in _BLOCK.findall(page))
    return [case for block in blocks for case in json.loads(block)]


def texts_of(page: str) -> str:
    """All texts of the cases in a report, as one text."""
    return json.dumps(cases_of(page), ensure_ascii=False)
