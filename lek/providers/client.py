"""Rate-limited access to one endpoint from several threads, with retries and a stop condition."""

import random
import time
from collections.abc import Callable
from threading import Event, Lock

from lek.profile.schema import APIJudgeSettings
from lek.providers.errors import PermanentError, RejectedRequest, TransientError
from lek.providers.request import CANCELLED, OVER_BUDGET, Endpoint, Outcome, Question, Reply

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_ALL_REJECTED = 10  # rejections without a single reply, after which no more questions are sent
_REPORTED_WAIT = 5.0  # seconds; longer waits that the API requests are reported
_CONSECUTIVE_FAILURES = 5  # failed questions in a row, after which no more questions are sent


class RateLimitedClient:
    """A client for one endpoint, shared by several threads.

    ``spend_budget``: called before every request; returns false if no more requests are allowed.
    ``say``: called with one line when the API requests a long wait, and with the reason when the
    client stops. ``share``: the number of processes among which ``settings.rpm`` is divided.
    ``wait``: called with a number of seconds to wait; the default returns early once the client is
    stopped.
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
        self._interval = 60.0 * share / settings.rpm if settings.rpm else 0.0
        self._spend_budget, self._say = spend_budget, say
        self._ended, self._lock = Event(), Lock()
        self._clock, self._wait, self._jitter = clock, wait or self._ended.wait, jitter
        self._next_request = self._paused_until = clock()  # the first request may go at once
        self._consecutive_failures = 0  # questions without a reply, since the last reply
        self._replied, self._rejected = False, 0
        self._stopped: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why no more requests are sent; ``None`` while the client is active."""
        return self._stopped

    def close(self) -> None:
        """Send no more requests and wake all waiting threads. Does not call ``say``."""
        self._end(CANCELLED)

    def ask(self, question: Question) -> Outcome:
        """Send ``question``, up to ``settings.attempts`` times, and return the outcome.

        Provider errors are part of the outcome, not raised.
        """
        requests, error_text = 0, ""
        while requests < self._attempts:
            if not self._acquire():
                return Outcome(None, self._stopped, requests)
            requests += 1
            try:
                reply = self._endpoint.ask(question)
            except PermanentError as error:
                self._stop(str(error))
                return Outcome(None, str(error), requests)
            except RejectedRequest as error:  # a final answer of the API: a retry would not help
                self._count_rejection(str(error))
                return Outcome(Reply(None, str(error), None, 0, 0), None, requests)
            except TransientError as error:
                error_text = str(error)
                self._back_off(requests, error.after, error_text)
            else:
                with self._lock:
                    self._consecutive_failures, self._replied = 0, True
                return Outcome(reply, None, requests)
        return self._fail(requests, f"{requests} attempt{'s' * (requests > 1)}: {error_text}")

    def _acquire(self) -> bool:
        """Wait until the next request is allowed; false once the client is stopped."""
        while self._stopped is None:
            with self._lock:
                now = self._clock()
                allowed_at = max(self._next_request, self._paused_until)
                if now >= allowed_at:
                    self._next_request = now + self._interval
                    break
            self._wait(allowed_at - now)
        if self._stopped is None and not self._spend_budget():
            self._stop(OVER_BUDGET)
        return self._stopped is None

    def _back_off(self, requests: int, after: float | None, why: str) -> None:
        """Wait after a transient error; a wait that the API requests holds for all threads."""
        report = False
        with self._lock:
            if after is not None:
                report = after > _REPORTED_WAIT and self._clock() >= self._paused_until
                self._paused_until = max(self._paused_until, self._clock() + after)
        if report:
            self._say(f"{why}: pausing for {after:.0f} s")
        if requests < self._attempts:
            full = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (requests - 1))
            self._wait(max(full * (0.5 + 0.5 * self._jitter()), after or 0.0))

    def _fail(self, requests: int, why: str) -> Outcome:
        """The outcome of a question without a reply; stops after too many in a row."""
        with self._lock:
            self._consecutive_failures += 1
            too_many = self._consecutive_failures >= _CONSECUTIVE_FAILURES
        if too_many:
            failures = f"{_CONSECUTIVE_FAILURES} consecutive questions without a reply"
            self._stop(f"stopped after {failures}; the last: {why}")
        return Outcome(None, why, requests)

    def _count_rejection(self, why: str) -> None:
        """Stop if the API has rejected all of the first questions, whatever their content."""
        with self._lock:
            self._rejected += 1
            all_of_them = not self._replied and self._rejected >= _ALL_REJECTED
        if all_of_them:
            self._stop(f"the first {_ALL_REJECTED} questions were all rejected; the last: {why}")

    def _stop(self, why: str) -> None:
        if self._end(why):
            self._say(why)

    def _end(self, why: str) -> bool:
        """Mark the client as stopped; false if it was stopped already."""
        with self._lock:
            first = self._stopped is None
            if first:
                self._stopped = why
                self._ended.set()
        return first
