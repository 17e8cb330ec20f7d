"""When to connect again: exponential waits with jitter, within the exchange's limit of attempts."""

import random
from collections import deque


class Backoff:
    """The waits between failed connections.

    The first one after a healthy connection is close to zero, as exchanges advise; then they double
    from ``first_seconds`` to ``max_seconds``, each with jitter over its upper half.
    """

    def __init__(self, first_seconds: float, max_seconds: float, random_: random.Random) -> None:
        self._first = first_seconds
        self._max = max(first_seconds, max_seconds)
        self._random = random_
        self._failures = 0

    def succeeded(self) -> None:
        """A connection was made and acknowledged."""
        self._failures = 0

    def next_seconds(self) -> float:
        """Count a failure and return how long to wait."""
        self._failures += 1
        if self._failures == 1:
            return self._first / 4 * self._random.random()
        whole = min(self._max, self._first * float(1 << min(self._failures - 2, 30)))
        return whole * (0.5 + self._random.random() / 2)


class AttemptLimit:
    """At most ``attempts`` connections in any ``seconds``; exchanges ban clients that exceed it."""

    def __init__(self, attempts: int, seconds: float) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._times: deque[float] = deque()

    def wait_seconds(self, now: float) -> float:
        """Return how long the next attempt must wait; 0 when it may be made."""
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) < self._attempts:
            return 0.0
        return self._times[0] + self._seconds - now

    def attempted(self, now: float) -> None:
        """Count an attempt."""
        self._times.append(now)
