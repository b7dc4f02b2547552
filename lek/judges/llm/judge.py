"""Responses -> the verdicts of a judge that is a model, queued as they come and stored at once.

The store is asked first; each vote goes there the moment it arrives, and an unusable reply does
not, so that the next run asks only for what is missing.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from threading import Event, Lock
from typing import NamedTuple

from msgspec.structs import replace

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.errors import BadInput
from lek.judges.llm import prompt, reply
from lek.judges.llm.local import BatchExecutor
from lek.judges.llm.question import Executor, Task
from lek.judges.llm.usage import Usage, UsageRow
from lek.providers.request import Outcome, Question
from lek.records import Case, Response, UnscoredCode, Verdict, Vote, make_verdict, unscored_verdict
from lek.workspace.store import Store, key_of

_LOOK = 0.05  # seconds between two looks at what another process does


class MissingVote(NamedTuple):
    """Why there is no vote. ``pending``: the judge was not heard, so its vote is still to come."""

    why: str
    pending: bool


def verdict(
    case: Case,
    response: Response,
    measures: Sequence[Measure],
    ballot: Sequence[Vote | MissingVote],
    *,
    judge: str,
) -> Verdict:
    """The verdict of an odd number of votes; unscored where one of them is missing.

    With several votes the reason is that of the vote nearest to the medians.
    """
    missing = [vote for vote in ballot if isinstance(vote, MissingVote)]
    votes = tuple(vote for vote in ballot if isinstance(vote, Vote))
    if missing:
        first = next((m for m in missing if m.pending), missing[0])
        of = f"{len(missing)} of {len(ballot)} votes are missing: " if len(ballot) > 1 else ""
        code: UnscoredCode = "judge_unavailable" if first.pending else "invalid_reply"
        given = unscored_verdict(case, response, measures, code, of + first.why, judge=judge)
        return replace(given, votes=votes)
    scores = {m.name: median(vote.scores[m.name] for vote in votes) for m in measures}
    near = min(votes, key=lambda vote: sum(abs(vote.scores[m] - s) for m, s in scores.items()))
    given = make_verdict(case, response, measures, scores, judge=judge, reason=near.reasons)
    return replace(given, votes=votes)


@dataclass
class PendingVerdict:
    """The votes on one answer. Equal answers to a case, of whatever subject, have one ballot.

    ``left`` counts the votes that this process still has to ask for; ``others`` holds the keys of
    those that another one asks for.
    """

    votes: list[Vote | MissingVote | None]
    left: int = 0
    claimed_elsewhere: dict[int, str] = field(default_factory=dict)
    done: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def set_vote(self, i: int, vote: Vote | MissingVote) -> None:
        """Put down a vote that this process asked for; the last one sets ``done``."""
        with self.lock:
            self.votes[i] = vote
            self.left -= 1
            if not self.left:
                self.done.set()


class LLMJudge:
    """An LLM judge: ``judge(case, response, measures)`` is its verdict.

    ``identity`` says what the judge is (model, settings), as part of the key of its votes;
    ``scrub`` takes out of a text what must be nowhere; ``shared`` says that other processes may
    have the same to judge.
    """

    deferred = True

    def __init__(
        self,
        name: str,
        benchmarks: Mapping[str, Benchmark],
        votes: int,
        executor: Executor,
        store: Callable[[], Store],
        usage: Callable[[], Usage],
        identity: Callable[[], str],
        *,
        since: float = 0.0,
        scrub: Callable[[str], str] = str,
        shared: bool = False,
    ) -> None:
        self.name, self.votes, self._executor = name, votes, executor
        self._benchmarks = benchmarks
        self._store, self._usage = store, usage
        self._identity, self._since = identity, since
        self._scrub, self._shared = scrub, shared
        self._entries: dict[str, PendingVerdict] = {}
        self._known: dict[
            tuple[str | None, ...], PendingVerdict
        ] = {}  # to render each question once

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Have ``response`` judged, unless it is already or has no text; returns at once."""
        if response.text is not None:
            with suppress(BadInput, sqlite3.Error):  # told where the verdict is asked for
                self._entry(_Task(case, response, tuple(measures)))

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """The verdict on ``response``; waits until it is there."""
        task = _Task(case, response, tuple(measures))
        try:
            entry = self._entry(task)
            self._executor.wait(entry.done)
            while (
                entry.claimed_elsewhere
            ):  # only now: another process may wait for what this one asks
                self._look(entry, task)
                self._executor.wait(entry.done)
        except (BadInput, sqlite3.Error) as e:  # such as weights that cannot be fetched
            ballot: list[Vote | MissingVote] = [MissingVote(str(e), pending=True)]
        else:
            ballot = [vote or MissingVote("no reply from the judge", True) for vote in entry.votes]
        return verdict(case, response, measures, ballot, judge=self.name)

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """The keys of the votes that the store lacks, and how many characters each is asked."""
        question = self._question(_Task(case, response, tuple(measures)))
        length = len(question.system) + len(question.user)
        try:
            keys = self._keys(question)
        except BadInput:  # the judge is not there yet, so nor are votes of it
            fixed = key_of("", question.user, {})
            return [f"{fixed} {i}" for i in range(self.votes)], length
        found = self._store().votes(keys, since=self._since)
        return [key for key in keys if key not in found], length

    @property
    def batched(self) -> bool:
        """Whether the judge is asked in batches, the larger the better."""
        return isinstance(self._executor, BatchExecutor)

    def drain(self) -> None:
        """Have all judged that was queued."""
        self._executor.drain()

    def close(self) -> None:
        """Ask nothing more."""
        self._executor.close()

    def _entry(self, task: "_Task") -> PendingVerdict:
        case, response = task.case, task.response
        name = case.benchmark, case.id, response.text, response.finish
        if name not in self._known:
            keys = self._keys(self._question(task))
            found = self._entries.get(keys[0])
            self._known[name] = found or self._new(keys, task)
        return self._known[name]

    def _new(self, keys: list[str], task: "_Task") -> PendingVerdict:
        usage = self._usage()
        found = self._store().votes(keys, since=self._since)
        entry = PendingVerdict([found.get(key) for key in keys])
        lacking = {i: key for i, key in enumerate(keys) if key not in found}
        if self._shared:
            entry.claimed_elsewhere = {i: key for i, key in lacking.items() if not usage.claim(key)}
        mine = {i: key for i, key in lacking.items() if i not in entry.claimed_elsewhere}
        entry.left = len(mine)
        if not mine:
            entry.done.set()
        self._entries[keys[0]] = entry  # only now: a claim may fail
        for i, key in mine.items():
            self._executor.submit(self._ask(entry, i, key, task))
        return entry

    def _look(self, entry: PendingVerdict, task: "_Task") -> None:
        """See whether another process has got what ``entry`` waits for; if it ended, ask."""
        Event().wait(_LOOK)
        usage = self._usage()
        claims = {i: usage.claimed(key) for i, key in entry.claimed_elsewhere.items()}
        found = self._store().votes(entry.claimed_elsewhere.values(), since=self._since)
        for i, key in list(entry.claimed_elsewhere.items()):
            claim = claims[i]
            if key in found:
                entry.votes[i] = found[key]
            elif claim is not None and claim.left:
                if not usage.take_over(key, claim.pid):
                    continue
                entry.left += 1
                entry.done.clear()
                self._executor.submit(self._ask(entry, i, key, task))
            elif claim is not None and claim.why is not None:
                entry.votes[i] = MissingVote(claim.why, claim.pending)
            else:
                continue
            del entry.claimed_elsewhere[i]

    def _ask(self, entry: PendingVerdict, i: int, key: str, task: "_Task") -> Task:
        benchmark = self._benchmarks[task.case.benchmark]
        nonce = prompt.nonce(benchmark, task.case, task.response)

        def done(outcome: Outcome) -> None:
            vote = self._vote(outcome, task.measures, nonce)
            try:
                self._keep(key, vote, outcome, task.response.subject)
            except Exception as e:  # a full disk must not leave a test waiting for ever
                vote = MissingVote(f"the vote cannot be stored: {e}", pending=True)
            entry.set_vote(i, vote)

        return Task(key, lambda: self._question(task, nonce), done)

    def _vote(
        self, outcome: Outcome, measures: Sequence[Measure], nonce: str
    ) -> Vote | MissingVote:
        if outcome.reply is None:
            return MissingVote(self._scrub(outcome.why or "no reply"), pending=True)
        said = reply.parse_reply(outcome.reply, measures, nonce)
        if isinstance(said, str):
            return MissingVote(self._scrub(said), pending=False)
        return replace(said, reasons=self._scrub(said.reasons))

    def _keep(self, key: str, vote: Vote | MissingVote, outcome: Outcome, subject: str) -> None:
        usage = self._usage()
        if outcome.requests:
            reply = outcome.reply
            tokens = (reply.prompt_tokens, reply.completion_tokens) if reply else (0, 0)
            usage.spend(UsageRow(subject, self.name, outcome.requests, *tokens))
        if isinstance(vote, Vote):
            self._store().put_vote(key, vote)
        elif self._shared:
            usage.give_up(key, vote.why, pending=vote.pending)

    def _keys(self, question: Question) -> list[str]:
        asked = [question.system, question.user, question.schema, reply.VERSION]
        return [key_of(self._identity(), asked, {"vote": i}) for i in range(self.votes)]

    def _question(self, task: "_Task", nonce: str | None = None) -> Question:
        """What is asked; without a ``nonce`` it has a fixed one, so that it can be a key."""
        case, response = task.case, task.response
        fixed = hashlib.sha256(f"{case.prompt}\n{response.text}".encode()).hexdigest()[:16]
        made = prompt.load(self._benchmarks[case.benchmark], task.measures)
        return prompt.question(made, case, response, nonce or fixed)


class _Task(NamedTuple):
    """A response to judge on some measures."""

    case: Case
    response: Response
    measures: tuple[Measure, ...]
