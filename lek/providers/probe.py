"""The probe of a model behind an API: one small request before the first question."""

from lek.providers.errors import (
    InternalError,
    RejectedRequest,
    TransientError,
    UnreachableError,
)

SUBJECT = "probe"  # in the place of a subject's name where requests are counted


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
