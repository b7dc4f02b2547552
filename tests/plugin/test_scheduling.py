"""Which tests the workers of xdist get."""

from types import SimpleNamespace
from typing import Any

import pytest

from lek.plugin.scheduling import SubjectScheduling


class Worker:
    """A worker that notes what it is sent; ``finish`` completes the first group of tests."""

    def __init__(self, name: str, tests: list[str]) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down, self._tests = False, tests
        self.groups: list[list[str]] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.groups.append([self._tests[i] for i in indices])

    def shutdown(self) -> None:
        self.shutting_down = True

    def finish(self, scheduling: SubjectScheduling, group: int) -> None:
        for test in self.groups[group]:
            scheduling.mark_test_complete(self, self._tests.index(test))


def group_of(test: str) -> tuple[str, int] | None:
    """``base-2``: case 2 of base, in two parts; other tests are of no subject."""
    subject, _, number = test.partition("-")
    return (subject, int(number) % 2) if number else None


def started(subjects: str, *others: str) -> tuple[SubjectScheduling, Worker, Worker]:
    """The scheduling of 8 cases of each subject, for two workers."""
    tests = [f"{subject}-{n}" for subject in subjects.split() for n in range(8)] + list(others)
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True), getvalue=lambda _: ["popen"] * 2
    )
    scheduling = SubjectScheduling(config, None, group_of)
    workers = Worker("gw0", tests), Worker("gw1", tests)
    for worker in workers:
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, tests)
    scheduling.schedule()
    return scheduling, *workers


def names(groups: list[list[str]]) -> list[str]:
    """The subject and the part of each group, such as ``base 1``."""
    return ["{} {}".format(*(group_of(group[0]) or (group[0], ""))).strip() for group in groups]


def test_two_workers_share_the_cases_of_one_subject() -> None:
    _, first, second = started("base")
    assert first.groups == [[f"base-{n}" for n in (0, 2, 4, 6)]]
    assert second.groups == [[f"base-{n}" for n in (1, 3, 5, 7)]]


def test_each_worker_begins_another_subject_and_keeps_it() -> None:
    scheduling, first, second = started("base lek")
    assert (names(first.groups), names(second.groups)) == (["base 0"], ["lek 0"])
    first.finish(scheduling, 0)
    second.finish(scheduling, 0)
    assert (names(first.groups), names(second.groups)) == (
        ["base 0", "base 1"],
        ["lek 0", "lek 1"],
    )


@pytest.mark.parametrize("faster", [0, 1])
def test_a_worker_without_a_subject_of_its_own_helps_with_the_last(faster: int) -> None:
    scheduling, *workers = started("base lek composure", "other", "another")
    fast, slow = workers[faster], workers[1 - faster]
    own, theirs = ("base", "lek") if faster == 0 else ("lek", "base")
    for group in range(5):
        fast.finish(scheduling, group)
    assert names(fast.groups)[:5] == [
        *(f"{own} {part}" for part in (0, 1)),
        *(f"composure {part}" for part in (0, 1)),
        f"{theirs} 1",
    ]
    assert names(slow.groups) == [f"{theirs} 0"]
    assert names(fast.groups)[5:] == ["other", "another"]
