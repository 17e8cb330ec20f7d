"""Whether what the exchange sends is understood and used: a stream that is not is not healthy."""

import time
from collections.abc import Callable, Iterable

from loguru import logger

from trade_producer.stream_outputs import Append, Output, Reject
from trade_producer.trade_stream import StreamState

# So long nothing but malformed frames may come, and at least so many.
_MALFORMED_SECONDS = 5.0
_MALFORMED_FRAMES = 3
_MIN_UNUSED_SECONDS = 2.0
_MAX_UNUSED_SECONDS = 60.0


class Understanding:
    """Notes what was understood and used.

    Args:
        interval_seconds: the shortest candle: so long all trades of a product may be rejected.
        monotonic: seconds from any fixed moment.
    """

    def __init__(
        self, interval_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._unused_seconds = min(max(interval_seconds, _MIN_UNUSED_SECONDS), _MAX_UNUSED_SECONDS)
        self._monotonic = monotonic
        self._malformed_since: float | None = None
        self._malformed = 0
        self._reason = ""
        # The first and the latest moment at which a product's trades were not used.
        self._unused_at: dict[str, tuple[float, float]] = {}
        self._unused_reason: dict[str, str] = {}
        self._reported = ""

    def understood(self) -> None:
        """Trades came in a frame that was understood."""
        self._malformed_since, self._malformed = None, 0

    def malformed(self, reason: str) -> None:
        """A frame, or a part of one, was not understood."""
        self._malformed += 1
        self._reason = reason
        if self._malformed_since is None:
            self._malformed_since = self._monotonic()

    def decided(self, product_id: str, outputs: Iterable[Output]) -> None:
        """A product's stream decided what to append and what to reject."""
        for output in outputs:
            if isinstance(output, Append):
                self._unused_at.pop(product_id, None)
            elif isinstance(output, Reject):
                self._unused(product_id, output.reason)

    def note_state(self, product_id: str, state: str) -> None:
        """Note how a product's stream stands."""
        if state == StreamState.IDS_LOWER.value:
            self._unused(product_id, state)

    def problem(self) -> str:
        """Return what is not understood or used for too long; "": nothing. Logged once."""
        problem = self._problem(self._monotonic())
        if problem and not self._reported:
            logger.error("{}", problem)
        self._reported = problem
        return problem

    def _unused(self, product_id: str, reason: str) -> None:
        now = self._monotonic()
        self._unused_at[product_id] = (self._unused_at.get(product_id, (now, now))[0], now)
        self._unused_reason[product_id] = reason

    def _problem(self, now: float) -> str:
        since = self._malformed_since
        if (
            since is not None
            and self._malformed >= _MALFORMED_FRAMES
            and now - since > _MALFORMED_SECONDS
        ):
            return (
                f"nothing of what the exchange sends as trades is understood ({self._reason}); "
                "check EXCHANGE_WS_URL, and the frames in the dead-letter topic"
            )
        unused = [
            f"{product} ({self._unused_reason[product]})"
            for product, (first, latest) in self._unused_at.items()
            if latest - first > self._unused_seconds
            and now - latest <= self._unused_seconds + _MAX_UNUSED_SECONDS
        ]
        return f"no trade is used of {', '.join(sorted(unused))}" if unused else ""
