"""An xdist scheduler that groups tests by subject, so that only one worker loads each model.

xdist's own loadgroup needs a suffix that its workers append to node ids, which pytest 9 no longer
allows. Imported only under xdist.
"""

from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class SubjectScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Assigns all tests of a subject to one worker; each other test is a group of its own."""

    def __init__(
        self, config: pytest.Config, log: Producer | None, subject_of: Callable[[str], str | None]
    ) -> None:
        super().__init__(config, log)
        self._subject_of = subject_of

    def _split_scope(self, nodeid: str) -> str:
        return self._subject_of(nodeid) or nodeid
