"""The REST client that live fills and replays share: spaced, patient, and stoppable.

Retries what may pass (rate limits, 5xx, timeouts, broken answers) with exponential backoff and
jitter; gives up at once on what will not (an unknown product, a wrong request).
"""

import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ohlc_core.errors import StoppedError
from ohlc_exchanges.base import (
    ExchangeAdapter,
    ExchangeError,
    ExchangeUnavailableError,
    MalformedResponseError,
    RateLimitedError,
    Request,
    Response,
)
from ohlc_exchanges.bounded_client import BoundedClient


class RetryPolicy(NamedTuple):
    """How long to keep trying one request.

    Attributes:
        attempts: at most this many; 0: without end.
        first_seconds: the first wait; it doubles from try to try.
        max_seconds: the longest wait.
    """

    attempts: int = 6
    first_seconds: float = 0.5
    max_seconds: float = 30.0

    def wait_seconds(self, failures: int, random_: random.Random) -> float:
        """Return the wait after that many failures: full jitter over the upper half."""
        whole = min(self.max_seconds, self.first_seconds * float(1 << min(failures - 1, 30)))
        return whole * (0.5 + random_.random() / 2)


#: Called before each wait: why, and for how many seconds.
OnWait = Callable[[str, float], None]

#: Called after each answer: the request's seconds and the HTTP status (0: no answer).
OnCall = Callable[[float, int], None]

_RETRIED = (RateLimitedError, ExchangeUnavailableError, MalformedResponseError)


class CallSpacing:
    """Spaces the calls of all fetchers that share it, over all threads.

    Args:
        interval_seconds: between two calls of one key.
        monotonic: seconds from any fixed moment.
    """

    def __init__(
        self, interval_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = interval_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next_call: dict[str, float] = {}

    def take_turn(self, key: str) -> float:
        """Take the next turn of the key; return how many seconds to wait for it."""
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._next_call.get(key, now))
            self._next_call[key] = turn + self._interval
        return turn - now


class RestFetcher:
    """Performs an adapter's requests; an instance is a ``Fetch``.

    Safe to share between threads: calls are spaced over all of them, because exchanges count
    by address.

    Args:
        adapter: whose ``check`` judges responses.
        base_url: EXCHANGE_REST_URL, or "" for the exchange's own.
        stop: ends every wait with `StoppedError`.
        policy: how patient to be.
        interval_seconds: spacing of calls; None: the adapter's.
        spacing: shared with other fetchers of the same exchange; None: its own.
        timeout_seconds: for connecting, and between two reads.
        total_seconds: for one request as a whole.
        on_wait, on_call: for progress and metrics.
        random_: source of the jitter.
        monotonic: seconds from any fixed moment.
    """

    def __init__(
        self,
        adapter: ExchangeAdapter,
        base_url: str = "",
        *,
        stop: threading.Event | None = None,
        policy: RetryPolicy | None = None,
        interval_seconds: float | None = None,
        spacing: CallSpacing | None = None,
        timeout_seconds: float = 10.0,
        total_seconds: float = 60.0,
        on_wait: OnWait = lambda _why, _seconds: None,
        on_call: OnCall = lambda _seconds, _status: None,
        random_: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = (base_url or adapter.rest_url).rstrip("/")
        self._adapter = adapter
        self._stop = stop or threading.Event()
        self._policy = policy or RetryPolicy()
        if interval_seconds is None:
            interval_seconds = adapter.rest_interval_seconds
        self._spacing = spacing or CallSpacing(interval_seconds, monotonic)
        self._on_wait = on_wait
        self._on_call = on_call
        self._random = random_ or random.Random()
        self._monotonic = monotonic
        self._client = BoundedClient(
            self._stop, total_seconds=total_seconds, read_seconds=timeout_seconds
        )

    def __call__(self, request: Request) -> Response:
        """Perform the request.

        Raises:
            ExchangeError: it failed for good, or RetryPolicy.attempts times.
            StoppedError: the stop event was set.
        """
        failures = 0
        while True:
            self._wait_for_turn(self._adapter.rate_limit_key(request))
            try:
                return self._once(request)
            except _RETRIED as error:
                failures += 1
                if failures == self._policy.attempts:
                    raise
                self._back_off(error, failures)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, request: Request) -> Response:
        began = self._monotonic()
        status = 0
        try:
            response = self._client.get(self.base_url + request.path, request.params)
            status = response.status
        finally:
            self._on_call(self._monotonic() - began, status)
        self._adapter.check(response)
        return response

    def _wait_for_turn(self, key: str) -> None:
        seconds = self._spacing.take_turn(key)
        if seconds > 0:
            self._on_wait("rate limit", seconds)
        self._sleep(seconds)

    def _back_off(self, error: ExchangeError, failures: int) -> None:
        seconds = self._policy.wait_seconds(failures, self._random)
        if isinstance(error, RateLimitedError | ExchangeUnavailableError):
            seconds = max(seconds, error.retry_after_seconds or 0.0)
        self._on_wait(str(error), seconds)
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(max(0.0, seconds)):
            raise StoppedError("stopped while waiting for the exchange")
