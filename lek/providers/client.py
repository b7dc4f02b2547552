"""Questions of several threads -> the replies of one endpoint: paced, repeated, stopped in time."""

import random
import time
from collections.abc import Callable
from threading import Event, Lock

from lek.profile.schema import APIJudgeSettings
from lek.providers.errors import PermanentError, RejectedRequest, TransientError
from lek.providers.request import CANCELLED, OVER_BUDGET, Endpoint, Outcome, Question, Reply

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_ALL_REJECTED = 10
_NEWS = 5.0  # seconds of waiting that are worth a line
_IN_A_ROW = 5  # so many questions without a reply, and nobody is there


class RateLimitedClient:
    """One endpoint that several threads share.

    ``take`` is asked before every request whether there may be one more; ``say`` is told of long
    waits, and once why nothing more is asked. ``share``: the number of processes among which
    ``settings.rpm`` is divided. ``wait`` waits for so many seconds, or less once all is stopped.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: APIJudgeSettings,
        *,
        spend_budget: Callable[[], bool] = lambda: True,
        say: Callable[[str], None],
        share: int = 1,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint, self._attempts = endpoint, settings.attempts
        self._gap = 60.0 * share / settings.rpm if settings.rpm else 0.0
        self._spend_budget, self._say = spend_budget, say
        self._ended, self._lock = Event(), Lock()
        self._clock, self._wait, self._jitter = clock, wait or self._ended.wait, jitter
        self._next = self._pause = clock()  # nobody asks before either
        self._consecutive_failures = 0  # questions without a reply, since the last reply
        self._replied, self._rejected = False, 0
        self._stopped: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why nothing more is asked; ``None`` while it is."""
        return self._stopped

    def close(self) -> None:
        """Ask nothing more, and have all who wait return. Who closes knows why: nothing is said."""
        self._end(CANCELLED)

    def ask(self, question: Question) -> Outcome:
        """The reply to ``question``, after as many attempts as are allowed; raises nothing."""
        requests, last = 0, ""
        while requests < self._attempts:
            if not self._acquire():
                return Outcome(None, self._stopped, requests)
            requests += 1
            try:
                reply = self._endpoint.ask(question)
            except PermanentError as fault:
                self._stop(str(fault))
                return Outcome(None, str(fault), requests)
            except RejectedRequest as fault:  # heard, and refused: there is nothing to wait for
                self._refused(str(fault))
                return Outcome(Reply(None, str(fault), None, 0, 0), None, requests)
            except TransientError as fault:
                last = str(fault)
                self._back_off(requests, fault.after, last)
            else:
                with self._lock:
                    self._consecutive_failures, self._replied = 0, True
                return Outcome(reply, None, requests)
        return self._given_up(requests, f"{requests} attempt{'s' * (requests > 1)}: {last}")

    def _acquire(self) -> bool:
        """Wait for a turn to ask; false once all is stopped."""
        while self._stopped is None:
            with self._lock:
                now = self._clock()
                turn = max(self._next, self._pause)
                if now >= turn:
                    self._next = now + self._gap
                    break
            self._wait(turn - now)
        if self._stopped is None and not self._spend_budget():
            self._stop(OVER_BUDGET)
        return self._stopped is None

    def _back_off(self, requests: int, after: float | None, why: str) -> None:
        """Wait after a fault; where the API named a time, all wait for it."""
        news = False
        with self._lock:
            if after is not None:
                news = after > _NEWS and self._clock() >= self._pause
                self._pause = max(self._pause, self._clock() + after)
        if news:
            self._say(f"{why}: waits {after:.0f} s")
        if requests < self._attempts:
            full = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (requests - 1))
            self._wait(max(full * (0.5 + 0.5 * self._jitter()), after or 0.0))

    def _given_up(self, requests: int, why: str) -> Outcome:
        with self._lock:
            self._consecutive_failures += 1
            too_many = self._consecutive_failures >= _IN_A_ROW
        if too_many:
            self._stop(f"{_IN_A_ROW} questions in a row without a reply; the last: {why}")
        return Outcome(None, why, requests)

    def _refused(self, why: str) -> None:
        """Stop where nothing but refusals has come, so that it is not for single questions."""
        with self._lock:
            self._rejected += 1
            all_of_them = not self._replied and self._rejected >= _ALL_REJECTED
        if all_of_them:
            self._stop(f"the first {_ALL_REJECTED} questions were all rejected; the last: {why}")

    def _stop(self, why: str) -> None:
        if self._end(why):
            self._say(why)

    def _end(self, why: str) -> bool:
        """Whether this was what stopped it."""
        with self._lock:
            first = self._stopped is None
            if first:
                self._stopped = why
                self._ended.set()
        return first
