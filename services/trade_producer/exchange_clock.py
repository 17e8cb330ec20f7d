"""What time it certainly is at the exchange, learnt from what the exchange sends.

Times the exchange reports (pongs, heartbeats, acknowledgements) are taken as they are. Where it
reports none, trade times and the local monotonic clock give an estimate that can only lag: a
message is never older than its own sending.
"""

_S = 1_000_000

# A trade stamped further ahead of what is known is not believed ...
_TRUSTED_LEAD_US = 10 * _S
# ... until that many in a row say so (the machine slept, or the exchange's clock was set).
_CONSISTENT_TRADES = 20


class ExchangeClock:
    """The exchange's time; it never goes back.

    Args:
        provides_server_time: whether the exchange's frames report its time.
    """

    def __init__(self, *, provides_server_time: bool) -> None:
        self._provides_server_time = provides_server_time
        self._reported_us: int | None = None
        self._offset_us: int | None = None
        self._disbelieved = 0

    def reported(self, exchange_us: int, received_us: int) -> None:
        """The exchange reported its time in a frame received at ``received_us``."""
        self._reported_us = max(exchange_us, self._reported_us or 0)
        self._learn(exchange_us - received_us)

    def trade_seen(self, event_us: int, received_us: int) -> None:
        """A trade of this time was received at ``received_us``."""
        offset = event_us - received_us
        if self._offset_us is not None and offset > self._offset_us + _TRUSTED_LEAD_US:
            self._disbelieved += 1
            if self._disbelieved < _CONSISTENT_TRADES:
                return
        self._disbelieved = 0
        self._learn(offset)

    def certain_us(self, received_us: int) -> int | None:
        """Return a time that had certainly passed at the exchange when a frame came in.

        Args:
            received_us: when the latest frame came in.
        """
        if self._provides_server_time:
            return self._reported_us
        return None if self._offset_us is None else self._offset_us + received_us

    def estimate_us(self, received_us: int) -> int | None:
        """Return the exchange's probable time now; None before the first sign of it."""
        return None if self._offset_us is None else self._offset_us + received_us

    def _learn(self, offset_us: int) -> None:
        self._offset_us = offset_us if self._offset_us is None else max(offset_us, self._offset_us)
