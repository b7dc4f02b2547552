"""The judges that need nothing but a case and a response: exact and lexical."""

from collections.abc import Callable
from typing import Any

from lek.judges.exact import exact
from lek.records import Case, Response, Verdict
from lek.sources import code_digest

Judge = Callable[[Case, Response], Verdict]
_CODE = {"exact": ("judges/exact.py", "sums.py", "questions.py", "numerals.py")}
PLAIN = ("exact", "lexical")


def plain_judge(kind: str) -> Judge:
    """One of the judges that need nothing but the case and the response."""
    if kind == "exact":
        return exact
    from lek.judges.lexical import lexical  # its word lists need not be read otherwise

    return lexical


def plain_protocol(kind: str) -> dict[str, Any]:
    """What such a judge judges by."""
    return {"judge": kind, "digest": code_digest(*_CODE.get(kind, ()))}
