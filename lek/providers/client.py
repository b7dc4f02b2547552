"""Rate-limited access to one endpoint from several threads, with retries and a stop condition."""

import random
import time
from collections.abc import Callable
from threading import Event, Lock

from lek.profile.schema import APISettings
from lek.providers.errors import (
    InternalError,
    PermanentError,
    ProviderError,
    RejectedRequest,
    TransientError,
    internal_error,
)
from lek.providers.request import CANCELLED, OVER_BUDGET, Endpoint, Outcome, Question, Reply

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_ALL_REJECTED = 10  # rejections without a single reply, after which no more questions are sent
_REPORTED_WAIT = 5.0  # seconds; longer waits that the API requests are reported
_CONSECUTIVE_FAILURES = 5  # failed questions in a row, after which no more questions are sent

Count = Callable[[int, int], None]  # see `RateLimitedClient.ask`


class RateLimitedClient:
    """A client for one endpoint, shared by several threads.

    ``spend_budget``: called before every request; returns false if no more requests are allowed.
    ``return_budget``: called after a request that could not be sent.
    ``say``: called with one line when the API requests a long wait, and with the reason when the
    client stops. ``share``: the number of processes among which ``settings.rpm`` is divided.
    ``wait``: called with a number of seconds to wait; the default returns early once the client is
    stopped.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: APISettings,
        *,
        spend_budget: Callable[[], bool] = lambda: True,
        return_budget: Callable[[], None] = lambda: None,
        say: Callable[[str], None],
        share: int = 1,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint, self._attempts = endpoint, settings.attempts
        self._interval = 60.0 * share / settings.rpm if settings.rpm else 0.0
        self._spend_budget, self._return_budget, self._say = spend_budget, return_budget, say
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

    def ask(self, question: Question, count: Count = lambda requests, unread: None) -> Outcome:
        """Send ``question``, up to ``settings.attempts`` times, and return the outcome.

        Errors are part of the outcome, not raised. ``count``: called with the change of the numbers
        of requests that were sent, and of those without a reply, before and after each of them. So
        a request is counted while it is in flight.
        """
        attempts = requests = unread = 0
        error: Exception | None = None
        while attempts < self._attempts:
            if not self._acquire():
                return Outcome(None, self._stopped, requests, unread)
            attempts += 1
            reply, error = self._send(question, count)
            sent, lost = _sent_and_lost(error)
            requests, unread = requests + sent, unread + lost
            if reply is not None:
                with self._lock:
                    self._consecutive_failures, self._replied = 0, True
                return Outcome(reply, None, requests, unread)
            if isinstance(error, PermanentError):
                self._stop(str(error))
                return Outcome(None, str(error), requests, unread)
            if isinstance(error, RejectedRequest):  # a final answer: a retry would not help
                self._count_rejection(str(error))
                rejected = Reply(None, str(error), None, 0, 0)
                return Outcome(rejected, None, requests, unread)
            if not isinstance(error, TransientError):
                break
            self._back_off(attempts, error.after, str(error))
        if isinstance(error, TransientError):
            why, traceback = f"{attempts} attempt{'s' * (attempts > 1)}: {error}", None
        else:
            why, traceback = "an internal error; see its traceback", str(error)
        self._count_failure(why)
        return Outcome(None, why, requests, unread, traceback)

    def probe(self, question: Question, count: Count) -> tuple[Reply | None, Exception | None]:
        """Send ``question`` once; return the reply or the error, or neither if that is not allowed.

        ``count``: as in `ask`. Nothing is reported, and the client is not stopped.
        """
        return self._send(question, count) if self._acquire() else (None, None)

    def _send(self, question: Question, count: Count) -> tuple[Reply | None, Exception | None]:
        """Send ``question`` once; return the reply, or the error."""
        reply: Reply | None = None
        error: Exception | None = None
        count(1, 1)
        try:
            reply = self._endpoint.ask(question)
        except (ProviderError, InternalError) as e:
            error = e
        except Exception as e:
            error = internal_error(e, None)
        sent, lost = _sent_and_lost(error)
        count(sent - 1, lost - 1)
        if not sent:
            self._return_budget()
        return reply, error

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

    def _back_off(self, attempts: int, after: float | None, why: str) -> None:
        """Wait after a transient error; a wait that the API requests holds for all threads."""
        report = False
        with self._lock:
            if after is not None:
                report = after > _REPORTED_WAIT and self._clock() >= self._paused_until
                self._paused_until = max(self._paused_until, self._clock() + after)
        if report:
            self._say(f"{why}: pausing for {after:.0f} s")
        if attempts < self._attempts:
            full = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempts - 1))
            self._wait(max(full * (0.5 + 0.5 * self._jitter()), after or 0.0))

    def _count_failure(self, why: str) -> None:
        """Count a question without a reply; stops after too many in a row."""
        with self._lock:
            self._consecutive_failures += 1
            too_many = self._consecutive_failures >= _CONSECUTIVE_FAILURES
        if too_many:
            failures = f"{_CONSECUTIVE_FAILURES} consecutive questions without a reply"
            self._stop(f"stopped after {failures}; the last: {why}")

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


def _sent_and_lost(error: Exception | None) -> tuple[int, int]:
    """How many requests were sent (0 or 1), and how many of them have no reply that was read."""
    if isinstance(error, ProviderError):
        return int(error.sent), int(error.sent and not error.read)
    return 1, int(error is not None)
