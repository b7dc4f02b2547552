"""The probe of a judge behind an API: one small request before the first question."""

from lek.providers.errors import (
    InternalError,
    RejectedRequest,
    TransientError,
    UnreachableError,
)
from lek.providers.request import Question

SUBJECT = "probe"  # in the place of a subject's name where requests are counted

# has the form of real questions, so that an API that does not support this form refuses it
QUESTION = Question(
    system="You test a connection. Reply with one JSON object and nothing else: "
    '{"reasons": <text>, "score": <whole number, from 1 to 10>}',
    user='This is a test of the connection. Reply with "reasons": "ok" and "score": 10.',
    schema={
        "type": "object",
        "properties": {
            "reasons": {"type": "string"},
            "score": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["reasons", "score"],
        "additionalProperties": False,
    },
)


def fault(error: Exception | None) -> str | None:
    """What the user must correct before any question can be answered; ``None`` if nothing."""
    if isinstance(error, UnreachableError):
        return f"{error}; check base_url, and that the server runs"
    if error is None or isinstance(error, TransientError | InternalError):
        return None  # a question may succeed, or show the cause in the test that asks it
    if isinstance(error, RejectedRequest) and not error.advised:
        return f"{error}; check the settings of this judge"
    return str(error)
