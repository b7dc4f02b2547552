"""Responses -> the verdicts of a judge that is a model, queued as they come and stored at once.

The store is asked first; each vote goes there the moment it arrives, and an unusable reply does
not, so that the next run asks only for what is missing.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock

from lek import replies, sources
from lek.backends import Question
from lek.hearing import Batch, Heard, Hearing, Task
from lek.judges import rubric
from lek.judges.llm import Missing, verdict
from lek.records import BadInput, Case, Response, Usage, Verdict, Vote
from lek.store import Store, key_of


@dataclass
class _Entry:
    """One answer to be judged. Equal answers to a case, of whatever subject, are one entry."""

    case: Case
    response: Response
    ballot: list[Vote | Missing | None]
    left: int
    usages: list[Usage] = field(default_factory=list)
    done: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def settle(self, i: int, vote: Vote | Missing, usage: Usage) -> None:
        with self.lock:
            self.ballot[i] = vote
            self.usages.append(usage)
            self.left -= 1
            if not self.left:
                self.done.set()


class Docket:
    """A judge's answers to be judged: ``docket(case, response)`` is their verdict.

    ``identity`` says what the judge is (model, settings), as part of the key of its votes.
    """

    def __init__(
        self,
        kind: str,
        votes: int,
        hearing: Hearing,
        store: Callable[[], Store],
        identity: Callable[[], str],
        *,
        since: float = 0.0,
    ) -> None:
        self._kind, self._votes, self._hearing = kind, votes, hearing
        self._store, self._identity, self._since = store, identity, since
        self._entries: dict[str, _Entry] = {}

    def queue(self, case: Case, response: Response) -> None:
        """Have ``response`` judged, unless it is already or has no text; returns at once."""
        if response.text is not None:
            with suppress(BadInput):  # told where the verdict is asked for
                self._entry(case, response)

    def __call__(self, case: Case, response: Response) -> Verdict:
        """The verdict on ``response``; waits until it is there."""
        try:
            entry = self._entry(case, response)
        except BadInput as e:  # such as a judge whose weights cannot be fetched
            none = Missing(str(e), pending=True)
            return verdict(case, response, [none], judge=self._kind, usage=total([]))
        self._hearing.wait(entry.done)
        usages, entry.usages = entry.usages, []  # what an equal answer shares costs nothing more
        ballot = [vote for vote in entry.ballot if vote is not None]
        return verdict(case, response, ballot, judge=self._kind, usage=total(usages))

    def missing(self, case: Case, response: Response) -> tuple[int, int]:
        """How many votes the store lacks, and the number of characters that each would be asked."""
        question = _question(case, response)
        length = len(question.system) + len(question.user)
        try:
            keys = self._keys(question)
        except BadInput:  # the judge is not there yet, so nor are votes of it
            return self._votes, length
        return len(keys) - len(self._store().votes(keys, since=self._since)), length

    @property
    def batched(self) -> bool:
        """Whether the judge is asked in batches, the larger the better."""
        return isinstance(self._hearing, Batch)

    @property
    def votes(self) -> int:
        """How often each answer is judged."""
        return self._votes

    def close(self) -> None:
        """Ask nothing more."""
        self._hearing.close()

    def _entry(self, case: Case, response: Response) -> _Entry:
        keys = self._keys(_question(case, response))
        if keys[0] in self._entries:
            return self._entries[keys[0]]
        found = self._store().votes(keys, since=self._since)
        ballot: list[Vote | Missing | None] = [found.get(key) for key in keys]
        entry = _Entry(case, response, ballot, ballot.count(None))
        self._entries[keys[0]] = entry
        if not entry.left:
            entry.done.set()
        for i, key in enumerate(keys):
            if ballot[i] is None:
                self._hearing.take(self._task(entry, i, key))
        return entry

    def _task(self, entry: _Entry, i: int, key: str) -> Task:
        case, response = entry.case, entry.response
        nonce = rubric.nonce(case, response)

        def done(heard: Heard) -> None:
            usage = Usage(requests=heard.requests, prompt_tokens=0, completion_tokens=0)
            vote: Vote | Missing = Missing(heard.why or "no reply", pending=True)
            if heard.reply is not None:
                usage = Usage(
                    requests=heard.requests,
                    prompt_tokens=heard.reply.prompt_tokens,
                    completion_tokens=heard.reply.completion_tokens,
                )
                said = replies.read(heard.reply, case.benchmark, nonce)
                vote = Missing(said, pending=False) if isinstance(said, str) else said
            try:
                if isinstance(vote, Vote):
                    self._store().put_vote(key, vote)
            except sqlite3.Error as e:  # a full disk must not leave a test waiting for ever
                vote = Missing(f"the vote cannot be stored: {e}", pending=True)
            entry.settle(i, vote, usage)

        return Task(key, lambda: _question(case, response, nonce), done)

    def _keys(self, question: Question) -> list[str]:
        asked = [question.system, question.user, question.schema, sources.own("replies.py")]
        return [key_of(self._identity(), asked, {"vote": i}) for i in range(self._votes)]


def _question(case: Case, response: Response, nonce: str | None = None) -> Question:
    """What is asked; without a ``nonce`` it always has the same one, so that it can be a key."""
    fixed = hashlib.sha256(f"{case.prompt}\n{response.text}".encode()).hexdigest()[:16]
    return rubric.question(rubric.load(case.benchmark), case, response, nonce or fixed)


def total(usages: list[Usage]) -> Usage:
    """The sum; tokens are ``None`` where a reply did not say."""
    prompt = [u.prompt_tokens for u in usages]
    completion = [u.completion_tokens for u in usages]
    return Usage(
        requests=sum(u.requests for u in usages),
        prompt_tokens=None if None in prompt else sum(filter(None, prompt)),
        completion_tokens=None if None in completion else sum(filter(None, completion)),
    )
