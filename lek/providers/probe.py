"""The probe of a model behind an API: one small request before the first question."""

from lek.providers.client import RateLimitedClient
from lek.providers.errors import (
    InternalError,
    RejectedRequest,
    TransientError,
    UnreachableError,
)
from lek.providers.request import Question
from lek.providers.usage import Usage, UsageRow

SUBJECT = "probe"  # in the place of a subject's name where requests are counted


def probe(
    client: RateLimitedClient, question: Question, usage: Usage, row: UsageRow, of: str
) -> str | None:
    """Ask ``question`` once; return what the user must correct, or ``None``.

    ``row``: the subject and the judge for which the request is counted in ``usage``. ``of``: whose
    settings to check, such as "this judge".
    """

    def count(requests: int, unread: int) -> None:
        usage.spend(row._replace(requests=requests, unread=unread))

    reply, error = client.probe(question, count)
    if reply is None:
        return fault(error, of)
    usage.spend(
        row._replace(prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens)
    )
    return None


def fault(error: Exception | None, of: str) -> str | None:
    """What the user must correct before any question can be answered; ``None`` if nothing.

    ``of``: whose settings to check, such as "this judge".
    """
    if isinstance(error, UnreachableError):
        return f"{error}; check base_url, and that the server runs"
    if error is None or isinstance(error, TransientError | InternalError):
        return None  # a question may succeed, or show the cause in the test that asks it
    if isinstance(error, RejectedRequest) and not error.advised:
        return f"{error}; check the settings of {of}"
    return str(error)
