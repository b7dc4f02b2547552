"""xdist's loadgroup with one group per subject, so that one worker alone holds a model.

xdist itself finds groups by a suffix that its workers append to node ids, which pytest 9 no longer
lets them do; the controller knows the subjects and needs no suffix. Imported only under xdist.
"""

from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class SubjectScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """All tests of a subject go to one worker; a test without a subject is a group of its own."""

    def __init__(
        self, config: pytest.Config, log: Producer | None, subject_of: Callable[[str], str | None]
    ) -> None:
        super().__init__(config, log)
        self._subject_of = subject_of

    def _split_scope(self, nodeid: str) -> str:
        return self._subject_of(nodeid) or nodeid
