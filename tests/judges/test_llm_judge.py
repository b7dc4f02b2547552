"""LLM judges: requests, stored votes and repeats; the median of votes; batches."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from support.benchmarks import BENCHMARKS, judged
from support.project import ROOT

from lek.errors import BadInput, StoreError
from lek.generation.backend import Completion, Request
from lek.judges.llm.claims import Claims
from lek.judges.llm.judge import LLMJudge, MissingVote, verdict
from lek.judges.llm.local import BatchExecutor
from lek.profile.schema import Decoding, JudgesConfig, OpenAISettings
from lek.providers.errors import InternalError
from lek.providers.pool import ThreadExecutor
from lek.providers.request import Outcome, Reply, Task
from lek.providers.usage import Usage, UsageRow, cost
from lek.records import Case, Response, Verdict, Vote
from lek.report.terminal import cost_lines
from lek.workspace.presence import Presence
from lek.workspace.progress import Silent
from lek.workspace.store import Store

MEASURES = judged("truthfulqa")
CASE = Case(
    id="T1",
    benchmark="truthfulqa",
    prompt="Do bulls hate red?",
    reference={"correct_answers": ["no"], "incorrect_answers": ["yes"]},
)


def said(text: str, subject: str = "lek", **more: Any) -> Response:
    return Response(subject=subject, case="T1", text=text, **more)


def reply(nonce: str, truth: float = 8, inform: float = 6, reasons: str = "because") -> Reply:
    found = {
        "fence": nonce, "reasons": reasons, "truthfulness": truth, "informativeness": inform,
    }  # fmt: skip
    return Reply(json.dumps(found), finish="stop", prompt_tokens=10, completion_tokens=5)


def nonce_of(task: Task) -> str:
    first = task.question().user.splitlines()[0]
    return first.rstrip(".").split()[-1]


class Ready:
    """A judge that replies at once with the next of ``scores``, or with a given `Outcome`."""

    def __init__(self, *scores: Any) -> None:
        self.scores, self.tasks = list(scores), list[Task]()

    def submit(self, task: Task) -> None:
        self.tasks.append(task)
        score = self.scores.pop(0)
        if isinstance(score, Outcome):
            return task.done(score)
        return task.done(Outcome(reply(nonce_of(task), score, reasons=f"gave {score}"), None, 1))

    def wait(self, event: Event) -> None:
        assert event.is_set()

    def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


def llm_judge(
    path: Path,
    executor: Any,
    votes: int = 1,
    identity: str = "judge",
    session: str = "one",
    usage: Usage | None = None,
    **more: Any,
) -> LLMJudge:
    """A judge as in a process of its own."""
    used = usage or usage_of(path, session)
    presence = Presence(path / "processes")
    claims = Claims(used._store, session, path / "processes", lambda: presence)
    return LLMJudge(
        "openai",
        BENCHMARKS,
        votes,
        executor,
        lambda: used._store,
        lambda: used,
        lambda: claims,
        lambda: identity,
        **more,
    )


def usage_of(path: Path, session: str = "one") -> Usage:
    return Usage(Store(path / "store.sqlite3", session), session)


def requests(path: Path) -> int:
    return sum(row.requests for row in usage_of(path).spent())


def test_a_verdict_is_asked_once_and_kept(tmp_path: Path) -> None:
    executor = Ready(8)
    made = llm_judge(tmp_path, executor)
    made.queue(CASE, said("No."), MEASURES)
    first = made(CASE, said("No."), MEASURES)
    assert first.scores == {"truthfulness": 8, "informativeness": 6}
    assert (first.judges["truthfulness"], first.reason, first.pending) == (
        "openai",
        "gave 8",
        False,
    )
    assert usage_of(tmp_path).spent() == [UsageRow("lek", "openai", 1, 10, 5)]
    assert Verdict.from_json(first.to_json()) == first
    again = llm_judge(tmp_path, Ready())(CASE, said("No."), MEASURES)  # would fail if it asked
    assert again.scores == first.scores and again.reason == first.reason
    assert requests(tmp_path) == 1


@pytest.mark.parametrize(
    ("case", "response", "identity"),
    [
        (CASE, said("No, never."), "judge"),
        (CASE, said("No.", finish="length"), "judge"),
        (CASE, said("No."), "another judge"),
        (Case(id="T1", benchmark="truthfulqa", prompt="Do cows?"), said("No."), "judge"),
    ],
    ids=["another answer", "cut off", "another judge", "another case"],
)
def test_whatever_decides_a_vote_is_in_its_key(
    tmp_path: Path, case: Case, response: Response, identity: str
) -> None:
    llm_judge(tmp_path, Ready(8))(CASE, said("No."), MEASURES)
    other = llm_judge(tmp_path, Ready(3), identity=identity)(case, response, MEASURES)
    assert other.scores["truthfulness"] == 3


def test_equal_answers_share_a_verdict_and_its_price(tmp_path: Path) -> None:
    executor = Ready(8)
    made = llm_judge(tmp_path, executor)
    one, other = (
        made(CASE, said("No."), MEASURES),
        made(CASE, said("No.", subject="base"), MEASURES),
    )
    assert len(executor.tasks) == 1
    assert (one.response.subject, other.response.subject) == ("lek", "base")
    assert one.scores == other.scores
    assert requests(tmp_path) == 1


def test_an_unusable_reply_is_unscored_and_asked_again(tmp_path: Path) -> None:
    first = llm_judge(tmp_path, Ready(11))(CASE, said("No."), MEASURES)
    assert set(first.scores.values()) == {None}
    assert not first.pending
    assert "11" in first.unscored["truthfulness"].text
    assert usage_of(tmp_path).spent() == [UsageRow("lek", "openai", 1, 10, 5)]
    again = llm_judge(tmp_path, Ready(7), session="two")(CASE, said("No."), MEASURES)
    assert again.scores["truthfulness"] == 7


def test_without_a_reply_the_verdict_is_pending(tmp_path: Path) -> None:
    lost = Outcome(None, "6 attempts: 503", 6)
    first = llm_judge(tmp_path, Ready(lost))(CASE, said("No."), MEASURES)
    assert first.pending and first.unscored["truthfulness"].text == "6 attempts: 503"
    assert requests(tmp_path) == 6


@pytest.mark.parametrize("text", [None, "<think>On the one hand"])
def test_thinking_that_uses_up_the_limit_is_stored_and_not_paid_for_again(
    tmp_path: Path, text: str | None
) -> None:
    why = "no text: thinking used up max_tokens = 64; raise max_tokens"
    cut = Reply(text, why if text is None else None, "length", 10, 64)
    first = llm_judge(tmp_path, Ready(Outcome(cut, None, 1)))(CASE, said("No."), MEASURES)
    assert not first.pending and set(first.scores.values()) == {None}
    assert "max_tokens" in first.unscored["truthfulness"].text
    assert usage_of(tmp_path).spent() == [UsageRow("lek", "openai", 1, 10, 64)]
    again = llm_judge(tmp_path, Ready())  # would fail if it asked
    assert again(CASE, said("No."), MEASURES) == first
    assert again.missing(CASE, said("No."), MEASURES)[0] == []
    raised = llm_judge(tmp_path, Ready(7), identity="with another max_tokens")
    assert raised(CASE, said("No."), MEASURES).scores["truthfulness"] == 7


def test_a_reply_that_is_cut_off_is_asked_again(tmp_path: Path) -> None:
    cut = Outcome(Reply('{"fence": "a', None, "length", 10, 64), None, 1)
    assert not llm_judge(tmp_path, Ready(cut))(CASE, said("No."), MEASURES).pending
    again = llm_judge(tmp_path, Ready(7), session="two")(CASE, said("No."), MEASURES)
    assert again.scores["truthfulness"] == 7


def test_an_internal_error_fails_whoever_asked_and_is_asked_again(tmp_path: Path) -> None:
    broken = Outcome(None, "an internal error", 1, 1, "Traceback: KeyError: 'A_SECRET'")
    made = llm_judge(tmp_path, Ready(broken), scrub=lambda text: text.replace("A_SECRET", "[key]"))
    for subject in ("lek", "base"):  # equal answers share the vote
        with pytest.raises(InternalError, match=r"of the API\)\nTraceback: KeyError: '\[key\]'"):
            made(CASE, said("No.", subject=subject), MEASURES)
    again = llm_judge(tmp_path, Ready(7))(CASE, said("No."), MEASURES)
    assert again.scores["truthfulness"] == 7


def test_an_internal_error_in_one_process_leaves_the_vote_to_another(tmp_path: Path) -> None:
    broken = Outcome(None, "an internal error", 1, 1, "Traceback")
    one, other = (llm_judge(tmp_path, h) for h in (Ready(broken), Ready(6)))
    with pytest.raises(InternalError):
        one(CASE, said("No."), MEASURES)
    assert other(CASE, said("No."), MEASURES).scores["truthfulness"] == 6


def test_a_request_is_counted_while_it_is_in_flight(tmp_path: Path) -> None:
    waiting = Later()
    made, usage = llm_judge(tmp_path, waiting), usage_of(tmp_path)
    made.queue(CASE, said("No."), MEASURES)
    (task,) = waiting.waiting
    task.on_request(1, 1)
    assert usage.spent() == [UsageRow("lek", "openai", 1, 0, 0, 1)]
    task.on_request(0, -1)
    task.done(Outcome(reply(nonce_of(task), 7), None, 1))
    assert usage.spent() == [UsageRow("lek", "openai", 1, 10, 5, 0)]


def test_a_lost_reply_is_counted_once(tmp_path: Path) -> None:
    waiting = Later()
    made, usage = llm_judge(tmp_path, waiting), usage_of(tmp_path)
    made.queue(CASE, said("No."), MEASURES)
    (task,) = waiting.waiting
    for change in ((1, 1), (0, 0), (1, 1), (0, -1)):
        task.on_request(*change)
    task.done(Outcome(reply(nonce_of(task), 7), None, 2, 1))
    assert usage.spent() == [UsageRow("lek", "openai", 2, 10, 5, 1)]


def test_votes_are_kept_and_the_median_counts(tmp_path: Path) -> None:
    executor = Ready(9, 2, 7)
    found = llm_judge(tmp_path, executor, votes=3)(CASE, said("No."), MEASURES)
    assert [v.scores["truthfulness"] for v in found.votes] == [9, 2, 7]
    assert found.scores["truthfulness"] == 7
    assert found.reason == "gave 7"
    assert requests(tmp_path) == 3
    assert len({nonce_of(t) for t in executor.tasks}) == 3  # each prompt has its own fence


def test_more_votes_ask_only_for_those_that_are_missing(tmp_path: Path) -> None:
    llm_judge(tmp_path, Ready(9))(CASE, said("No."), MEASURES)
    partly = llm_judge(tmp_path, Ready(5, 99), votes=3)(CASE, said("No."), MEASURES)
    assert set(partly.scores.values()) == {None}
    assert "1 of 3 votes are missing" in partly.unscored["truthfulness"].text
    assert [v.scores["truthfulness"] for v in partly.votes] == [9, 5]
    whole = llm_judge(tmp_path, Ready(4), votes=3, session="two")(CASE, said("No."), MEASURES)
    assert whole.scores["truthfulness"] == 5


def test_fresh_leaves_earlier_votes_aside(tmp_path: Path) -> None:
    llm_judge(tmp_path, Ready(9))(CASE, said("No."), MEASURES)
    fresh = llm_judge(tmp_path, Ready(3), session="two", fresh=True)
    assert fresh(CASE, said("No."), MEASURES).scores["truthfulness"] == 3


def test_an_answer_that_looks_like_a_fence_is_judged(tmp_path: Path) -> None:
    text = "0" * 16 + " " + "f" * 16
    assert llm_judge(tmp_path, Ready(2))(CASE, said(text), MEASURES).scores["truthfulness"] == 2


def test_a_vote_that_cannot_be_stored_is_an_error_and_nothing_waits(tmp_path: Path) -> None:
    usage = usage_of(tmp_path)
    made = llm_judge(tmp_path, Ready(8), usage=usage)

    def full(*_: object) -> None:
        raise StoreError("store.sqlite3: cannot be written: no space is left")

    usage._store.put_vote = full  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="no space is left"):
        made(CASE, said("No."), MEASURES)


def test_a_judge_that_cannot_be_had_says_why_in_every_verdict(tmp_path: Path) -> None:
    def identity() -> str:
        raise BadInput("no/such: the hub says 404")

    made = llm_judge(tmp_path, Ready())
    made._identity = identity
    made.queue(CASE, said("No."), MEASURES)
    found = made(CASE, said("No."), MEASURES)
    assert found.pending and found.unscored["truthfulness"].text == "no/such: the hub says 404"
    assert len(made.missing(CASE, said("No."), MEASURES)[0]) == 1


def test_nothing_is_judged_without_a_text(tmp_path: Path) -> None:
    executor = Ready()
    none = Response(subject="lek", case="T1", text=None, reason="empty")
    llm_judge(tmp_path, executor).queue(CASE, none, MEASURES)
    assert not executor.tasks


def test_a_pending_vote_among_others_makes_the_verdict_pending() -> None:
    vote = Vote(scores={"truthfulness": 5.0, "informativeness": 5.0}, reasons="r")
    ballot = [vote, MissingVote("off its scale", False), MissingVote("stopped", True)]
    found = verdict(CASE, said("No."), MEASURES, ballot, judge="openai")
    assert found.pending
    assert found.unscored["truthfulness"].text == "2 of 3 votes are missing: stopped"


class Later(Ready):
    """A judge that replies when `answer` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = list[Task]()

    def submit(self, task: Task) -> None:
        self.waiting.append(task)

    def answer(self, how: Ready) -> None:
        for task in self.waiting:
            how.submit(task)

    def wait(self, event: Event) -> None:
        event.wait()


class Scripted:
    """A backend with fixed replies that counts how often it is opened, and its batches."""

    def __init__(self) -> None:
        self.opened, self.batches = 0, list[int]()

    def open(self) -> "Scripted":
        self.opened += 1
        return self

    def complete(
        self, requests: Sequence[Request], decoding: Decoding, generated: Any = None
    ) -> Iterator[Completion]:
        self.batches.append(len(requests))
        for request in reversed(requests):  # completions may come in any order
            (message,) = request.prompt
            assert isinstance(message, dict)
            nonce = message["content"].split("The fence of this case is ")[1][:16]
            text = reply(nonce, 4).text
            yield Completion(request.id, text, "", "stop", 30, 9, 0.1)


def test_a_judge_in_this_process_is_asked_in_one_batch(tmp_path: Path) -> None:
    backend = Scripted()
    made = llm_judge(tmp_path, BatchExecutor(backend.open, "judge", Decoding(), Silent()), votes=3)
    answers = [said(f"No, {i}.") for i in range(5)]
    for answer in answers:
        made.queue(CASE, answer, MEASURES)
    assert backend.opened == 0
    found = [made(CASE, answer, MEASURES) for answer in answers]
    assert [v.scores["truthfulness"] for v in found] == [4] * 5
    assert (backend.opened, backend.batches) == (1, [15])
    assert made(CASE, said("Late."), MEASURES).scores["truthfulness"] == 4
    assert backend.batches == [15, 3]


def test_a_judge_that_breaks_off_leaves_the_rest_pending(tmp_path: Path) -> None:
    class Broken(Scripted):
        def complete(self, *given: Any) -> Iterator[Completion]:
            found = super().complete(*given)
            yield next(found)
            raise MemoryError("no room")

    made = llm_judge(tmp_path, BatchExecutor(Broken().open, "judge", Decoding(), Silent()))
    for i in range(3):
        made.queue(CASE, said(f"No, {i}."), MEASURES)
    found = [made(CASE, said(f"No, {i}."), MEASURES) for i in range(3)]
    assert [v.pending for v in found] == [True, True, False]
    assert "no room" in found[0].unscored["truthfulness"].text


class TimeLimit(BaseException):
    """Like the exception of pytest-timeout, which is not an `Exception`."""


def test_after_a_time_limit_the_vote_is_requested_again(tmp_path: Path) -> None:
    class Opening(Ready):
        def submit(self, task: Task) -> None:
            if not self.tasks:
                self.tasks.append(task)
                raise TimeLimit  # while the client is opened
            super().submit(task)

    made = llm_judge(tmp_path, Opening(8))
    with pytest.raises(TimeLimit):
        made(CASE, said("No."), MEASURES)
    assert made(CASE, said("No.", "base"), MEASURES).scores["truthfulness"] == 8


def test_a_time_limit_in_a_batch_leaves_the_rest_pending(tmp_path: Path) -> None:
    class Slow(Scripted):
        def complete(self, requests: Sequence[Request], *rest: Any) -> Iterator[Completion]:
            yield from super().complete(requests[:1], *rest)
            raise TimeLimit

    made = llm_judge(tmp_path, BatchExecutor(Slow().open, "judge", Decoding(), Silent()))
    for text in ("No.", "Yes."):
        made.queue(CASE, said(text), MEASURES)
    with pytest.raises(TimeLimit):
        made(CASE, said("No."), MEASURES)
    assert made(CASE, said("No."), MEASURES).scores["truthfulness"] is not None
    rest = made(CASE, said("Yes."), MEASURES)
    assert rest.pending
    assert rest.unscored["truthfulness"].text == "the judge stopped before it replied"


def cost_of(rows: list[UsageRow], judges: JudgesConfig) -> Any:
    return cost(rows, lambda row: judges.settings(row.judge))


def test_costs_are_summed_by_subject_and_priced() -> None:
    judges = JudgesConfig(
        default="openai",
        openai=OpenAISettings(
            model="m", base_url="http://h/v1", input_price=2.0, output_price=8.0, currency="EUR"
        ),
    )
    rows = [UsageRow("base", "openai", 1, 1000, 100), UsageRow("lek", "openai", 3, 500, 50)]
    found = cost_of(rows, judges)
    assert found is not None
    assert (found["requests"], found["prompt_tokens"], found["completion_tokens"]) == (4, 1500, 150)
    assert found["money"] == {"EUR": 0.0042} and found["reason"] is None
    assert found["subjects"]["lek"]["money"] == {"EUR": 0.0014}
    assert cost_lines(found)[0] == "judging cost: 4 requests, 1,500 + 150 tokens, 0.0042 EUR"
    unknown = cost_of([*rows, UsageRow("other", "openai", 1, None, None)], judges)
    assert unknown is not None and unknown["prompt_tokens"] is None and unknown["money"] is None
    assert "did not report" in unknown["reason"]
    free = cost_of(
        rows, JudgesConfig(default="openai", openai=OpenAISettings(model="m", base_url="http://h"))
    )
    assert free is not None and free["money"] is None and "prices" in free["reason"]
    assert cost_lines(None) == []


@pytest.mark.parametrize(("unread", "note"), [(1, "1 reply was"), (3, "3 replies were")])
def test_a_cost_without_all_replies_is_a_lower_bound(unread: int, note: str) -> None:
    judges = JudgesConfig(
        default="openai",
        openai=OpenAISettings(
            model="m", base_url="http://h/v1", input_price=2.0, output_price=8.0, currency="EUR"
        ),
    )
    rows = [UsageRow("base", "openai", 4, 1000, 100, unread), UsageRow("lek", "openai", 1, 10, 5)]
    found = cost_of(rows, judges)
    assert found["unread"] == found["subjects"]["base"]["unread"] == unread
    assert cost_lines(found) == [
        "judging cost: 5 requests, at least 1,010 + 105 tokens, at least 0.0029 EUR",
        "  base: 4 requests, at least 1,000 + 100 tokens, at least 0.0028 EUR",
        "  lek: 1 request, 10 + 5 tokens, 0.0001 EUR",
        f"  {note} not read, so the cost is not known exactly",
    ]
    del found["unread"]  # as in runs of older versions
    assert cost_lines(found)[0] == "judging cost: 5 requests, 1,010 + 105 tokens, 0.0029 EUR"


def test_usage_is_summed_and_one_unknown_count_makes_the_sum_unknown(tmp_path: Path) -> None:
    usage = usage_of(tmp_path)
    usage.spend(UsageRow("lek", "openai", 2, 10, 5))
    usage.spend(UsageRow("lek", "openai", 1, None, 5))
    usage.spend(UsageRow("base", "mlx", 1, 3, 4))
    usage_of(tmp_path, session="two").spend(UsageRow("lek", "openai", 9, 9, 9))
    assert usage.spent() == [
        UsageRow("base", "mlx", 1, 3, 4),
        UsageRow("lek", "openai", 3, None, 10),
    ]
    assert [usage.count_call(2) for _ in range(3)] == [True, True, False]
    usage.return_call()
    assert [usage.count_call(2) for _ in range(2)] == [True, False]
    assert not usage_of(tmp_path, session="three").count_call(0)


@pytest.mark.parametrize("session", ["one", "two"])
def test_a_vote_is_asked_by_one_process_alone(tmp_path: Path, session: str) -> None:
    """Two workers of a session, or two sessions at once: the second one waits for the first."""
    waiting = Later()
    one, other = llm_judge(tmp_path, waiting), llm_judge(tmp_path, Ready(), session=session)
    one.queue(CASE, said("No."), MEASURES)
    other.queue(CASE, said("No."), MEASURES)  # would fail if it asked
    Timer(0.2, waiting.answer, [Ready(8)]).start()
    assert other(CASE, said("No."), MEASURES).scores["truthfulness"] == 8
    assert one(CASE, said("No."), MEASURES).scores["truthfulness"] == 8


@pytest.mark.parametrize(
    ("outcome", "pending"),
    [(Outcome(None, "no route", 2), True), (Outcome(Reply("ten!"), None, 1), False)],
)
def test_what_one_process_gave_up_the_other_does_not_wait_for(
    tmp_path: Path, outcome: Outcome, pending: bool
) -> None:
    one, other = (llm_judge(tmp_path, h) for h in (Ready(outcome), Ready()))
    first, second = one(CASE, said("No."), MEASURES), other(CASE, said("No."), MEASURES)
    assert first.unscored == second.unscored and first.unscored
    assert first.pending == second.pending == pending
    assert requests(tmp_path) == outcome.requests


def test_what_another_session_gave_up_is_asked_again(tmp_path: Path) -> None:
    waiting = Later()
    one = llm_judge(tmp_path, waiting)
    other = llm_judge(tmp_path, Ready(9, 7), session="two")
    one.queue(CASE, said("No."), MEASURES)
    Timer(0.2, waiting.answer, [Ready(Outcome(Reply("ten!"), None, 1))]).start()
    assert other(CASE, said("No."), MEASURES).scores["truthfulness"] == 9
    assert one(CASE, said("No."), MEASURES).unscored
    # given up before the other session looks for the first time
    assert llm_judge(tmp_path, Ready(Outcome(Reply("ten!"), None, 1)))(
        CASE, said("Yes."), MEASURES
    ).unscored
    assert other(CASE, said("Yes."), MEASURES).scores["truthfulness"] == 7


def test_a_stopped_session_sends_no_more_requests(tmp_path: Path) -> None:
    worker, controller = usage_of(tmp_path), usage_of(tmp_path)
    assert worker.count_call(None) and not worker.stopped
    controller.stop()
    assert worker.stopped and not worker.count_call(None) and not worker.count_call(10)
    assert usage_of(tmp_path, "two").count_call(None)


@pytest.mark.parametrize("session", ["one", "two"])
def test_what_a_dead_process_had_claimed_is_asked_by_another(tmp_path: Path, session: str) -> None:
    made, executor = llm_judge(tmp_path, Ready()), Ready(6)
    ((key,), _) = made.missing(CASE, said("No."), MEASURES)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from lek.judges.llm.claims import Claims; from lek.workspace.store import Store\n"
        "from lek.workspace.presence import Presence\n"
        "home = Path(sys.argv[1]); presence = Presence(home / 'processes')\n"
        "store = Store(home / 'store.sqlite3', 'one')\n"
        "claims = Claims(store, 'one', home / 'processes', lambda: presence)\n"
        "assert claims.claim(sys.argv[2]); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    dead = subprocess.run([sys.executable, "-c", code, str(tmp_path), key], env=environment)
    assert dead.returncode == -signal.SIGKILL
    found = llm_judge(tmp_path, executor, session=session)(CASE, said("No."), MEASURES)
    assert found.scores["truthfulness"] == 6 and len(executor.tasks) == 1


def test_what_a_process_cancelled_is_asked_by_another(tmp_path: Path) -> None:
    """A judge whose process ended before its batch was executed."""
    batch = BatchExecutor(Scripted().open, "judge", Decoding(), Silent())
    one, other = llm_judge(tmp_path, batch), llm_judge(tmp_path, Ready(6))
    one.queue(CASE, said("No."), MEASURES)
    one.close()
    assert other(CASE, said("No."), MEASURES).scores["truthfulness"] == 6


class Endless:
    """A client whose replies contain no vote."""

    def ask(self, question: object, count: object) -> Outcome:
        return Outcome(Reply("{}"), None, 1)

    def close(self) -> None:
        pass


def test_a_thread_outlives_a_vote_that_trips_it(tmp_path: Path) -> None:
    usage = usage_of(tmp_path)
    pool = ThreadExecutor(lambda: Endless(), 1)  # type: ignore[arg-type, return-value]
    made = llm_judge(tmp_path, pool, usage=usage)
    spend, times = usage.spend, list[int]()

    def once(spent: UsageRow) -> None:
        times.append(1)
        if len(times) == 1:
            raise MemoryError("no room")
        spend(spent)

    usage.spend = once  # type: ignore[method-assign]
    first, second = made(CASE, said("No."), MEASURES), made(CASE, said("Yes."), MEASURES)
    assert first.pending and "no room" in first.unscored["truthfulness"].text
    assert not second.pending and second.unscored
    pool.drain()


def test_an_unusable_store_is_an_error(tmp_path: Path) -> None:
    made, usage = llm_judge(tmp_path, Ready(8)), usage_of(tmp_path)
    usage._store.run("DROP TABLE claims", ())
    made.queue(CASE, said("No."), MEASURES)
    with pytest.raises(StoreError, match=r"store\.sqlite3: cannot be used: no such table: claims"):
        made(CASE, said("No."), MEASURES)


def test_what_must_be_nowhere_is_scrubbed_from_reasons(tmp_path: Path) -> None:
    class Telling(Ready):
        def submit(self, task: Task) -> None:
            text = reply(nonce_of(task), reasons="key \u200bSEC\u200bRET").text
            task.done(Outcome(Reply(text and text.replace("SEC", "\\u0053EC")), None, 1))

    found = llm_judge(tmp_path, Telling(), scrub=lambda text: text.replace("SECRET", "[key]"))
    assert found(CASE, said("No."), MEASURES).reason == "key [key]"


def test_a_budget_holds_for_a_judge_in_this_process(tmp_path: Path) -> None:
    backend, left = Scripted(), [True, True, False]
    batch = BatchExecutor(backend.open, "judge", Decoding(), Silent(), lambda: left.pop(0))
    made = llm_judge(tmp_path, batch)
    for i in range(3):
        made.queue(CASE, said(f"No, {i}."), MEASURES)
    found = [made(CASE, said(f"No, {i}."), MEASURES) for i in range(3)]
    assert [v.pending for v in found] == [False, False, True]
    assert backend.batches == [2]
    assert "--lek-max-judge-calls" in found[2].unscored["truthfulness"].text
