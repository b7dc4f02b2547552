"""RateLimitedClient with an endpoint that is slow, overloaded, refusing or unreachable."""

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr
from support.endpoint import Answer, Api, ok, reset, serving, status, trickle
from support.project import PATIENCE

from lek.profile.schema import APIJudgeSettings, GeminiSettings, OpenAISettings
from lek.providers.client import RateLimitedClient
from lek.providers.errors import (
    PermanentError,
    ProviderError,
    RejectedRequest,
    TransientError,
    UnreachableError,
)
from lek.providers.genai import GenaiEndpoint
from lek.providers.openai import OpenAIEndpoint
from lek.providers.request import (
    Endpoint,
    Outcome,
    Question,
    Reply,
    call_with_timeout,
)

QUESTION = Question("judge", "this", {"type": "object", "properties": {}})
YES = Reply("yes", finish="stop")
LOST = TransientError("no complete reply", read=False)
UNSENT = UnreachableError("connection failed", sent=False)


class Clock:
    """Time that advances only in `wait`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waits.append(seconds)
        self.now += seconds


class Fake:
    """An endpoint with scripted replies and errors; the last one is repeated."""

    def __init__(self, clock: Clock, said: Sequence[Reply | ProviderError]) -> None:
        self.clock, self.said = clock, list(said)
        self.times: list[float] = []

    def ask(self, question: Question) -> Reply:
        self.times.append(self.clock())
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, ProviderError):
            raise said
        return said


class Desk:
    """A RateLimitedClient with a fake endpoint, and the lines that it reported."""

    def __init__(self, *said: Reply | ProviderError, jitter: float = 1.0, **settings: Any) -> None:
        self.clock = Clock()
        self.endpoint = Fake(self.clock, said)
        self.lines: list[str] = []
        names = ("spend_budget", "return_budget", "share")
        options = {k: settings.pop(k) for k in names if k in settings}
        self.calls = RateLimitedClient(
            self.endpoint,
            APIJudgeSettings(model="m", **settings),
            say=self.lines.append,
            clock=self.clock,
            wait=self.clock.wait,
            jitter=lambda: jitter,
            **options,
        )

    def ask(self) -> Outcome:
        return self.calls.ask(QUESTION)


def test_a_reply_is_given_on() -> None:
    desk = Desk(YES)
    assert desk.ask() == Outcome(YES, None, 1)
    assert desk.calls.stopped is None and not desk.lines and not desk.clock.waits


def test_transient_errors_are_retried_with_growing_delays() -> None:
    desk = Desk(*[TransientError("503")] * 8, YES, attempts=9)
    assert desk.ask() == Outcome(YES, None, 9)
    assert desk.clock.waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_last_attempt_is_the_last() -> None:
    desk = Desk(TransientError("503 overloaded"), attempts=6)
    assert desk.ask() == Outcome(None, "6 attempts: 503 overloaded", 6)
    assert len(desk.clock.waits) == 5  # no wait after the last attempt
    assert Desk(TransientError("x"), attempts=1).ask().why == "1 attempt: x"


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 0.5), (0.5, 0.75), (0.999, 0.9995)])
def test_jitter_is_from_half_to_full(jitter: float, first: float) -> None:
    desk = Desk(TransientError("x"), YES, jitter=jitter)
    desk.ask()
    assert desk.clock.waits == [pytest.approx(first)]


def test_waits_are_never_shorter_than_the_api_asked() -> None:
    desk = Desk(TransientError("429", after=30.0), TransientError("429", after=0.0), YES)
    assert desk.ask() == Outcome(YES, None, 3)
    first, second, third = desk.endpoint.times
    assert second - first == 30 and third - second == 2


def test_a_delay_named_by_the_api_applies_to_all_threads() -> None:
    desk = Desk(TransientError("429", after=30.0), YES, attempts=1)
    assert desk.ask().reply is None
    assert desk.clock.now == 1000  # no wait after its only attempt
    assert desk.ask().reply == YES
    assert desk.endpoint.times == [1000, 1030]


def test_an_error_without_a_delay_does_not_delay_other_threads() -> None:
    desk = Desk(TransientError("500"), YES, attempts=1)
    desk.ask()
    desk.ask()
    assert desk.endpoint.times == [1000, 1000]


@pytest.mark.parametrize(("share", "gap"), [(1, 6.0), (4, 24.0)])
def test_requests_are_evenly_spaced(share: int, gap: float) -> None:
    desk = Desk(YES, rpm=10, share=share)
    for _ in range(20):
        desk.ask()
    gaps = {b - a for a, b in pairwise(desk.endpoint.times)}
    assert gaps == {gap}
    assert desk.endpoint.times[0] == 1000


def test_time_that_passed_unused_is_not_caught_up() -> None:
    desk = Desk(YES, rpm=10)
    desk.ask()
    desk.clock.now += 100
    for _ in range(3):
        desk.ask()
    assert desk.endpoint.times == [1000, 1100, 1106, 1112]


def test_attempts_keep_the_pace_too() -> None:
    desk = Desk(TransientError("x"), YES, rpm=2)
    desk.ask()
    assert desk.endpoint.times == [1000, 1030]


def test_five_in_a_row_and_no_more() -> None:
    desk = Desk(TransientError("down"), attempts=2)
    for _ in range(5):
        assert desk.ask() == Outcome(None, "2 attempts: down", 2)
    stop = "stopped after 5 consecutive questions without a reply; the last: 2 attempts: down"
    assert desk.calls.stopped == stop and desk.lines == [stop]
    assert [desk.ask() for _ in range(3)] == [Outcome(None, stop, 0)] * 3
    assert desk.lines == [stop] and len(desk.endpoint.times) == 10


def test_a_reply_resets_the_count_of_failures() -> None:
    desk = Desk(
        *[RejectedRequest("400 odd")] * 4,
        Reply(None, "blocked"),
        *[RejectedRequest("400 odd")] * 4,
        YES,
    )
    found = [desk.ask() for _ in range(10)]
    assert [f.reply and f.reply.reason for f in found] == [
        *["400 odd"] * 4, "blocked", *["400 odd"] * 4, None
    ]  # fmt: skip
    assert all(f.requests == 1 for f in found) and desk.calls.stopped is None


def test_what_is_rejected_is_not_asked_again() -> None:
    desk = Desk(RejectedRequest("400 too long"))
    refused = Reply(None, "400 too long", prompt_tokens=0, completion_tokens=0)
    assert desk.ask() == Outcome(refused, None, 1)
    found = [desk.ask() for _ in range(10)]
    assert [f.requests for f in found] == [1] * 9 + [0]  # stopped: every question was rejected
    assert desk.lines == ["the first 10 questions were all rejected; the last: 400 too long"]


def test_what_is_rejected_among_replies_stops_nothing() -> None:
    desk = Desk(YES, *[RejectedRequest("400 filtered")] * 30, YES)
    found = [desk.ask() for _ in range(32)]
    assert all(f.reply for f in found) and desk.calls.stopped is None and not desk.lines


def test_a_permanent_error_stops_at_once() -> None:
    desk = Desk(YES, PermanentError("no model m"))
    assert desk.ask().reply == YES
    assert desk.ask() == Outcome(None, "no model m", 1)
    assert desk.ask() == Outcome(None, "no model m", 0)
    assert desk.lines == ["no model m"] and len(desk.endpoint.times) == 2


def test_the_budget_is_asked_before_every_request() -> None:
    left = iter([True, True, False])
    desk = Desk(TransientError("x"), spend_budget=lambda: next(left))
    assert desk.ask() == Outcome(None, "--lek-max-judge-calls reached", 2)
    assert desk.lines == ["--lek-max-judge-calls reached"] and len(desk.endpoint.times) == 2
    assert desk.ask().requests == 0


def test_a_request_that_was_not_sent_is_returned_to_the_budget() -> None:
    spent = [0]

    def spend() -> bool:
        spent[0] += 1
        return True

    def give_back() -> None:
        spent[0] -= 1

    errors = UNSENT, UNSENT, LOST, TransientError("503")
    desk = Desk(*errors, YES, spend_budget=spend, return_budget=give_back)
    assert desk.ask() == Outcome(YES, None, 3, 1)
    assert spent == [3]


def test_closing_is_silent_and_not_a_second_reason() -> None:
    desk = Desk(YES)
    desk.calls.close()
    assert desk.ask() == Outcome(None, "cancelled", 0) and not desk.lines
    desk = Desk(PermanentError("over"))
    desk.ask()
    desk.calls.close()
    assert desk.calls.stopped == "over" and desk.lines == ["over"]


class Counts:
    """The numbers of requests and of unread replies, as `RateLimitedClient.ask` reports them."""

    def __init__(self) -> None:
        self.now, self.history = (0, 0), list[tuple[int, int]]()

    def __call__(self, requests: int, unread: int) -> None:
        self.now = self.now[0] + requests, self.now[1] + unread
        self.history.append(self.now)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ([YES], (1, 0)),
        ([LOST, YES], (2, 1)),
        ([UNSENT, LOST, TransientError("503"), YES], (3, 1)),
        ([UNSENT], (0, 0)),
        ([LOST], (6, 6)),
        ([PermanentError("holds no key", sent=False)], (0, 0)),
        ([RejectedRequest("400")], (1, 0)),
    ],
)
def test_requests_that_were_sent_and_replies_that_were_lost_are_counted(
    said: list[Reply | ProviderError], counts: tuple[int, int]
) -> None:
    desk, counted = Desk(*said), Counts()
    outcome = desk.calls.ask(QUESTION, counted)
    assert (outcome.requests, outcome.unread) == counted.now == counts
    assert counted.history[0] == (1, 1)  # while the first request is in flight


class Faulty(Fake):
    """An endpoint with an error of the program."""

    def ask(self, question: Question) -> Reply:
        super().ask(question)
        return Reply(no_such_field=1)


def test_an_internal_error_is_not_retried_and_not_a_rejection() -> None:
    desk = Desk(YES)
    desk.calls._endpoint = endpoint = Faulty(desk.clock, [YES])
    for number in range(1, 6):
        outcome = desk.ask()
        assert (outcome.reply, outcome.requests, outcome.unread) == (None, 1, 1)
        assert outcome.traceback is not None and "in ask" in outcome.traceback
        assert "unexpected keyword argument 'no_such_field'" in outcome.traceback
        assert len(endpoint.times) == number and not desk.clock.waits
    assert desk.ask().requests == 0  # as after other questions without a reply
    assert "an internal error" in desk.lines[0]


def test_a_probe_reports_its_error_and_stops_nothing() -> None:
    for error in (PermanentError("no"), RejectedRequest("odd"), LOST, UNSENT):
        desk, counted = Desk(error, YES), Counts()
        assert desk.calls.probe(QUESTION, counted) == (None, error)
        assert desk.calls.stopped is None and not desk.lines
        assert counted.now == (int(error.sent), int(error.sent and not error.read))
        assert desk.ask().reply == YES
    assert Desk(YES).calls.probe(QUESTION, Counts()) == (YES, None)
    closed = Desk(YES)
    closed.calls.close()
    assert closed.calls.probe(QUESTION, Counts()) == (None, None)


def test_a_probe_keeps_the_pace_too() -> None:
    desk = Desk(YES, rpm=10)
    desk.calls.probe(QUESTION, Counts())
    desk.ask()
    assert desk.endpoint.times == [1000, 1006]


def in_threads(count: int, work: Callable[[], Outcome]) -> list[Outcome]:
    with ThreadPoolExecutor(count) as pool:
        return [f.result(timeout=PATIENCE) for f in [pool.submit(work) for _ in range(count)]]


class Gate:
    """An endpoint that blocks its requests until ``held`` of them have arrived, then fails."""

    def __init__(self, fault: ProviderError, held: int) -> None:
        self.fault, self.barrier = fault, threading.Barrier(held)
        self.asked = 0
        self.lock = threading.Lock()

    def ask(self, question: Question) -> Reply:
        with self.lock:
            self.asked += 1
        self.barrier.wait(timeout=PATIENCE)
        raise self.fault


def test_threads_that_fail_together_say_it_once() -> None:
    lines: list[str] = []
    gate = Gate(PermanentError("refused"), 8)
    calls = RateLimitedClient(gate, APIJudgeSettings(model="m"), say=lines.append)
    assert in_threads(8, lambda: calls.ask(QUESTION)) == [Outcome(None, "refused", 1)] * 8
    assert lines == ["refused"] and gate.asked == 8


@pytest.mark.parametrize("fault", [TransientError("x"), TransientError("429", after=500.0)])
def test_closing_wakes_those_who_wait(fault: ProviderError) -> None:
    lines: list[str] = []
    gate = Gate(fault, 1)
    calls = RateLimitedClient(gate, APIJudgeSettings(model="m", rpm=0.01), say=lines.append)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(calls.ask, QUESTION) for _ in range(3)]
        until = time.monotonic() + 60
        while not gate.asked and time.monotonic() < until:
            time.sleep(0.01)
        calls.close()
        found = [w.result(timeout=PATIENCE) for w in waiting]
    assert {f.why for f in found} == {"cancelled"}
    assert sorted(f.requests for f in found) == [0, 0, 1]
    assert not [line for line in lines if "pausing" not in line]


def test_threads_share_one_pace() -> None:
    clock, lock = Clock(), threading.Lock()
    endpoint = Fake(clock, [YES])

    def wait(seconds: float) -> None:  # advances the time for all threads
        with lock:
            clock.now += seconds / 2

    calls = RateLimitedClient(
        endpoint,
        APIJudgeSettings(model="m", rpm=60),
        say=print,
        clock=clock,
        wait=wait,
        jitter=random.random,
    )
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        found = in_threads(16, lambda: calls.ask(QUESTION))
    finally:
        sys.setswitchinterval(interval)
    assert all(f.reply for f in found) and len(endpoint.times) == 16
    assert clock.now >= 1000 + 15  # 16 requests at one a second


# ---- over a real connection


Connect = Callable[[Api, float], Endpoint]


@pytest.fixture(params=["openai", "google-genai"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """A function that opens an endpoint with a timeout in seconds."""

    def opened(api: Api, timeout: float) -> Endpoint:
        if request.param == "openai":
            settings = OpenAISettings(model="m", base_url=f"{api.url}/v1", key="K", timeout=timeout)
            return OpenAIEndpoint.open(settings, SecretStr("a-key-for-tests"))
        google = GeminiSettings(model="m", base_url=api.url, timeout=timeout)
        return GenaiEndpoint.open(google, SecretStr("a-key-for-tests"))

    return opened


TROUBLES = {
    "429": (status(429), 1.0),
    "429, Retry-After": (status(429, headers={"Retry-After": "9"}), 9.0),
    "503": (status(503), 1.0),
    "trickle": (trickle(), 1.0),
    "reset": (reset(), 1.0),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_that_passes(connect: Connect, trouble: str) -> None:
    answer, waited = TROUBLES[trouble]
    clock, lines = Clock(), list[str]()
    with serving([answer, ok("yes")]) as api:
        endpoint = connect(api, 0.5 if trouble == "trickle" else 30)
        calls = RateLimitedClient(
            endpoint, APIJudgeSettings(model="m", attempts=20), say=lines.append, clock=clock,
            wait=clock.wait, jitter=lambda: 1.0,
        )  # fmt: skip
        found = calls.ask(QUESTION)
    assert found.reply and found.reply.text == "yes"
    assert lines == (["429 told so: pausing for 9 s"] if waited == 9 else [])
    if trouble == "trickle":  # a slow machine may time out on the good answer as well
        assert found.requests >= 2 and clock.waits[0] == waited
    else:
        assert found.requests == len(api.asked) == 2 and clock.waits == [waited]


DAY = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (status(401), "check the key"),
        (status(429, "requests per day", {"Retry-After": "99"}, DAY), "resume after"),
        (status(404), "no model m"),
    ],
    ids=["401", "a day's quota", "404"],
)
def test_trouble_that_stays(connect: Connect, answer: Answer, word: str) -> None:
    lines: list[str] = []
    with serving(answer) as api:
        calls = RateLimitedClient(connect(api, 30), APIJudgeSettings(model="m"), say=lines.append)
        first, *others = [calls.ask(QUESTION) for _ in range(4)]
    assert len(api.asked) == 1 and first.requests == 1
    assert others == [Outcome(None, first.why, 0)] * 3
    (line,) = lines
    assert word in line == first.why


def test_call_with_timeout_returns_results_and_raises_errors_and_timeouts() -> None:
    assert call_with_timeout(60, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        call_with_timeout(60, lambda: 1 / 0)
    release, threads = threading.Event(), list[threading.Thread]()

    def hang() -> None:
        threads.append(threading.current_thread())
        release.wait()

    with pytest.raises(TimeoutError, match=r"after 0\.5 s"):
        call_with_timeout(0.5, hang)
    assert all(t.daemon for t in threads)
    release.set()
