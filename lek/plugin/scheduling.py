"""An xdist scheduler that groups tests by subject, so that few workers load each model.

xdist's own loadgroup needs a suffix that its workers append to node ids, which pytest 9 no longer
allows. Imported only under xdist.
"""

from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


class SubjectScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Assigns the tests of a subject, or of each part of its cases, to one worker.

    Each other test is a group of its own. A worker gets the parts of the subject that it has
    worked on, then those of a subject that no worker has begun, and then those of any other, so
    that several models are built at the same time, and no worker is idle at the end.

    ``group_of`` returns the subject and the part of a test, given its node id, or ``None``.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: Producer | None,
        group_of: Callable[[str], tuple[str, int] | None],
    ) -> None:
        super().__init__(config, log)
        self._group_of = group_of
        self._subjects: dict[str, str] = {}  # by scope
        self._last: dict[WorkerController, str | None] = {}  # the subject of each worker

    def _split_scope(self, nodeid: str) -> str:
        group = self._group_of(nodeid)
        if group is None:
            return nodeid
        scope = f"{group[0]} part {group[1]}"
        self._subjects[scope] = group[0]
        return scope

    def _assign_work_unit(self, node: WorkerController) -> None:
        begun = set(self._last.values())

        def rank(scope: str) -> int:
            subject = self._subjects.get(scope)
            if subject is None:
                return 3
            if subject == self._last.get(node):
                return 0
            return 2 if subject in begun else 1

        scope = min(self.workqueue, key=rank)  # the first one of the lowest rank
        self.workqueue.move_to_end(scope, last=False)
        self._last[node] = self._subjects.get(scope) or self._last.get(node)
        super()._assign_work_unit(node)
