"""LLM judge: queue responses for judging and store each vote as it arrives.

Votes that are in the store are not requested again. Unusable replies are not stored, so the next
run requests only the missing votes. The exception is a reply without text because thinking used up
the token limit: it is stored as a vote without scores, since it would be the same again.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from threading import Event, Lock
from typing import NamedTuple

from msgspec.structs import replace

from lek.benchmarks.benchmark import Benchmark, Measure
from lek.errors import BadInput, StoreError
from lek.judges.llm import prompt, reply
from lek.judges.llm.claims import Claims
from lek.judges.llm.executor import Executor
from lek.providers.errors import InternalError
from lek.providers.request import CANCELLED, Outcome, Question, Task
from lek.providers.usage import Usage, UsageRow
from lek.records import Case, Response, UnscoredCode, Verdict, Vote, make_verdict, unscored_verdict
from lek.workspace.store import Store, key_of

_POLL_INTERVAL = 0.05  # seconds between two checks of the votes that another process requests


class MissingVote(NamedTuple):
    """Why a vote is missing.

    ``pending``: the judge did not reply, so a later run asks again. ``final``: asking again would
    not help, as long as the settings are the same. ``traceback``: that of an internal error.
    """

    why: str
    pending: bool
    final: bool = False
    traceback: str | None = None


def verdict(
    case: Case,
    response: Response,
    measures: Sequence[Measure],
    votes: Sequence[Vote | MissingVote],
    *,
    judge: str,
) -> Verdict:
    """The verdict of an odd number of votes: the median score of each measure.

    Unscored if a vote is missing. With several votes the reason is that of the vote nearest to the
    medians.
    """
    missing = [vote for vote in votes if isinstance(vote, MissingVote)]
    cast_votes = tuple(vote for vote in votes if isinstance(vote, Vote))
    if missing:
        first = next((m for m in missing if m.pending), missing[0])
        prefix = f"{len(missing)} of {len(votes)} votes are missing: " if len(votes) > 1 else ""
        code: UnscoredCode = "judge_unavailable" if first.pending else "invalid_reply"
        unscored = unscored_verdict(case, response, measures, code, prefix + first.why, judge=judge)
        return replace(unscored, votes=cast_votes)
    scores = {m.name: median(vote.scores[m.name] for vote in cast_votes) for m in measures}
    nearest = min(
        cast_votes, key=lambda vote: sum(abs(vote.scores[m] - s) for m, s in scores.items())
    )
    scored = make_verdict(case, response, measures, scores, judge=judge, reason=nearest.reasons)
    return replace(scored, votes=cast_votes)


@dataclass
class PendingVerdict:
    """The votes on one answer. Equal answers of several subjects to a case share them.

    ``left``: the number of votes that this process still has to request. ``claimed_elsewhere``: the
    keys of the votes that another process requests, by their position in ``votes``. ``done`` is set
    when ``left`` is 0. ``error``: why a vote could not be stored.
    """

    votes: list[Vote | MissingVote | None]
    left: int = 0
    claimed_elsewhere: dict[int, str] = field(default_factory=dict)
    done: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)
    error: StoreError | None = None

    def set_vote(self, i: int, vote: Vote | MissingVote) -> None:
        """Set a vote that this process requested; the last one sets ``done``."""
        with self.lock:
            self.votes[i] = vote
            self.left -= 1
            if not self.left:
                self.done.set()


class LLMJudge:
    """An LLM judge: ``judge(case, response, measures)`` returns its verdict.

    ``votes``: the number of votes on each answer. ``identity``: returns what identifies the judge
    (model, settings) in the keys of its votes; may raise `BadInput`. ``fresh``: votes of earlier
    sessions are ignored. ``scrub``: removes secrets from a text. Methods raise `StoreError` if the
    store cannot be used.
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
        claims: Callable[[], Claims],
        identity: Callable[[], str],
        *,
        fresh: bool = False,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self.name, self.votes, self._executor = name, votes, executor
        self._benchmarks = benchmarks
        self._store, self._usage, self._claims = store, usage, claims
        self._identity, self._fresh, self._scrub = identity, fresh, scrub
        self._entries: dict[str, PendingVerdict] = {}
        # by case and answer, so that each question is rendered only once
        self._known: dict[tuple[str | None, ...], PendingVerdict] = {}
        self._answer_keys: dict[tuple[str | None, ...], list[str]] = {}

    def queue(self, case: Case, response: Response, measures: Sequence[Measure]) -> None:
        """Queue ``response`` for judging, unless it is queued already or has no text."""
        if response.text is not None:
            with suppress(BadInput):  # reported when the verdict is requested
                self._entry(_Task(case, response, tuple(measures)))

    def __call__(self, case: Case, response: Response, measures: Sequence[Measure]) -> Verdict:
        """Return the verdict on ``response``, after waiting for its votes.

        Raises `InternalError` with its traceback if an error of this program prevented one.
        """
        task = _Task(case, response, tuple(measures))
        try:
            entry = self._entry(task)
            self._executor.wait(entry.done)
            # last, because the other process may be waiting for votes of this one
            while entry.claimed_elsewhere:
                self._poll_other_process(entry, task)
                self._executor.wait(entry.done)
        except StoreError:
            raise
        except BadInput as e:  # such as weights that cannot be fetched
            votes: list[Vote | MissingVote] = [MissingVote(str(e), pending=True)]
        else:
            votes = [vote or MissingVote("no reply from the judge", True) for vote in entry.votes]
            if entry.error is not None:
                raise entry.error
        for vote in votes:
            if isinstance(vote, MissingVote) and vote.traceback is not None:
                cause = vote.traceback.splitlines()[-1]
                raise InternalError(f"{cause} (not an error of the API)\n{vote.traceback}")
        return verdict(case, response, measures, votes, judge=self.name)

    def missing(
        self, case: Case, response: Response, measures: Sequence[Measure]
    ) -> tuple[list[str], int]:
        """The keys of the votes that the store lacks, and the characters of the prompt for each."""
        task = _Task(case, response, tuple(measures))
        question = self._question(task)
        length = len(question.system or "") + len(question.user)
        try:
            keys = self._answer_keys[task.answer] = self._keys(question)
        except BadInput:  # the judge is not on this machine yet, so the store has no votes of it
            placeholder = key_of("", question.user, {})
            return [f"{placeholder} {i}" for i in range(self.votes)], length
        stored = self._store().votes(keys, fresh=self._fresh)
        return [key for key in keys if key not in stored], length

    @property
    def batched(self) -> bool:
        """Whether the judge works in batches, which should be as large as possible."""
        return self._executor.batched

    def drain(self) -> None:
        """Judge all queued responses; returns when that is done."""
        self._executor.drain()

    def close(self) -> None:
        """Send no more requests."""
        self._executor.close()

    def _entry(self, task: "_Task") -> PendingVerdict:
        """The pending verdict for ``task``; a new one requests the votes that are not stored."""
        if task.answer not in self._known:
            keys = self._answer_keys.get(task.answer) or self._keys(self._question(task))
            entry = self._entries.get(keys[0])
            try:
                self._known[task.answer] = entry or self._create_entry(keys, task)
            except BaseException:  # such as a time limit of pytest while the client is opened
                self._withdraw(keys)
                raise
        return self._known[task.answer]

    def _withdraw(self, keys: list[str]) -> None:
        """Remove an incomplete entry, and the claims of this process to its votes."""
        self._entries.pop(keys[0], None)
        with suppress(BadInput):  # the cause is raised
            for key in keys:
                self._claims().settle(key)

    def _create_entry(self, keys: list[str], task: "_Task") -> PendingVerdict:
        claims, stored = self._claims(), self._stored(keys)
        missing = {i: key for i, key in enumerate(keys) if key not in stored}
        mine = {i: key for i, key in missing.items() if claims.claim(key)}
        # those that another process stored and settled after the first look
        settled = self._stored(mine.values())
        for key in settled:
            claims.settle(key)
        mine = {i: key for i, key in mine.items() if key not in settled}
        stored |= settled
        entry = PendingVerdict([stored.get(key) for key in keys])
        entry.claimed_elsewhere = {
            i: key for i, key in missing.items() if i not in mine and key not in stored
        }
        entry.left = len(mine)
        if not mine:
            entry.done.set()
        self._entries[keys[0]] = entry  # after the claims, any of which may fail
        for i, key in mine.items():
            self._executor.submit(self._vote_task(entry, i, key, task))
        return entry

    def _stored(self, keys: Iterable[str]) -> dict[str, Vote | MissingVote]:
        """The votes in the store, by key; one without scores is missing for good."""
        votes = self._store().votes(keys, fresh=self._fresh)
        return {
            key: vote if vote.scores else MissingVote(vote.reasons, pending=False, final=True)
            for key, vote in votes.items()
        }

    def _poll_other_process(self, entry: PendingVerdict, task: "_Task") -> None:
        """Collect votes of ``entry`` that another process requested, or gave up.

        Votes that the other process left are requested by this one.
        """
        Event().wait(_POLL_INTERVAL)
        claims = self._claims()
        found = {i: claims.get(key) for i, key in entry.claimed_elsewhere.items()}
        stored = self._stored(entry.claimed_elsewhere.values())
        for i, key in list(entry.claimed_elsewhere.items()):
            claim = found[i]
            if key in stored:
                entry.votes[i] = stored[key]
            elif claim is None or claim.left:
                if not (claims.claim(key) if claim is None else claims.take_over(key, claim)):
                    continue
                entry.left += 1
                entry.done.clear()
                self._executor.submit(self._vote_task(entry, i, key, task))
            elif claim.why is not None:
                entry.votes[i] = MissingVote(claim.why, claim.pending)
            else:
                continue
            del entry.claimed_elsewhere[i]

    def _vote_task(self, entry: PendingVerdict, i: int, key: str, task: "_Task") -> Task:
        """The executor's task that requests, stores and sets vote ``i`` of ``entry``."""
        benchmark = self._benchmarks[task.case.benchmark]
        nonce = prompt.nonce(benchmark, task.case, task.response)
        usage = UsageRow(task.response.subject, self.name, 0, 0, 0)  # counted so far

        def count(requests: int, unread: int) -> None:
            nonlocal usage
            with suppress(StoreError):  # reported when the vote is stored
                self._usage().spend(usage._replace(requests=requests, unread=unread))
                usage = usage._replace(
                    requests=usage.requests + requests, unread=usage.unread + unread
                )

        def done(outcome: Outcome) -> None:
            vote = self._vote(outcome, task.measures, nonce)
            try:
                self._store_vote(key, vote, outcome, usage)
            except StoreError as e:  # such as a full disk
                entry.error = e
            except Exception as e:  # never leave a waiting test blocked
                vote = MissingVote(f"the vote cannot be stored: {e}", pending=True)
            entry.set_vote(i, vote)

        return Task(key, lambda: self._question(task, nonce), done, count)

    def _vote(
        self, outcome: Outcome, measures: Sequence[Measure], nonce: str
    ) -> Vote | MissingVote:
        if outcome.reply is None:
            traceback = self._scrub(outcome.traceback) if outcome.traceback else None
            why = self._scrub(outcome.why or "no reply")
            return MissingVote(why, pending=True, traceback=traceback)
        vote_or_fault = reply.parse_reply(outcome.reply, measures, nonce)
        if isinstance(vote_or_fault, str):
            final = reply.used_up(outcome.reply)
            return MissingVote(self._scrub(vote_or_fault), pending=False, final=final)
        return replace(vote_or_fault, reasons=self._scrub(vote_or_fault.reasons))

    def _store_vote(
        self, key: str, vote: Vote | MissingVote, outcome: Outcome, counted: UsageRow
    ) -> None:
        """Store the usage that is not ``counted`` yet, and the vote.

        For other processes, also store that there will be none.
        """
        usage = self._usage()
        requests, unread = outcome.requests - counted.requests, outcome.unread - counted.unread
        reply = outcome.reply
        tokens = (reply.prompt_tokens, reply.completion_tokens) if reply else (0, 0)
        if requests or unread or outcome.requests:
            usage.spend(UsageRow(counted.subject, self.name, requests, *tokens, unread))
        if isinstance(vote, MissingVote) and not vote.final:
            # after an internal error, another process that waits for the vote asks itself
            why = vote.why if vote.traceback is None else CANCELLED
            self._claims().give_up(key, why, pending=vote.pending)
            return
        stored = vote if isinstance(vote, Vote) else Vote(scores={}, reasons=vote.why)
        self._store().put_vote(key, stored)
        self._claims().settle(key)

    def _keys(self, question: Question) -> list[str]:
        prompt_parts = [question.system, question.user, question.schema, reply.VERSION]
        return [key_of(self._identity(), prompt_parts, {"vote": i}) for i in range(self.votes)]

    def _question(self, task: "_Task", nonce: str | None = None) -> Question:
        """The question for ``task``; without ``nonce`` it has a fixed one, to serve as a key."""
        case, response = task.case, task.response
        fixed = hashlib.sha256(f"{case.prompt}\n{response.text}".encode()).hexdigest()[:16]
        rubric = prompt.load(self._benchmarks[case.benchmark], task.measures)
        return prompt.question(rubric, case, response, nonce or fixed)


class _Task(NamedTuple):
    """A response to judge on some measures."""

    case: Case
    response: Response
    measures: tuple[Measure, ...]

    @property
    def answer(self) -> tuple[str | None, ...]:
        """What tells the answer from all others, whichever subject gave it."""
        return self.case.benchmark, self.case.id, self.response.text, self.response.finish
