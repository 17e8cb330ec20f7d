"""What time it certainly is at the exchange, learnt from what the exchange says.

Times the exchange told (pongs, heartbeats, acknowledgements) are taken as they are. Where an
exchange tells none, trade times and the local steady clock give an estimate that can only lag:
a message is never older than its own sending.
"""

_S = 1_000_000

# A trade stamped further ahead than this of what is known is not believed ...
_TRUSTED_LEAD_US = 10 * _S
# ... until that many in a row say so (the machine slept, or the exchange's clock was set).
_PERSUASIVE = 20


class ExchangeClock:
    """The exchange's time; it never goes back.

    Args:
        tells_time: whether the exchange's frames tell its time.
    """

    def __init__(self, *, tells_time: bool) -> None:
        self._tells_time = tells_time
        self._told_us: int | None = None
        self._offset_us: int | None = None
        self._disbelieved = 0

    def told(self, exchange_us: int, steady_us: int) -> None:
        """The exchange said what time it is, in a frame received at ``steady_us``."""
        self._told_us = max(exchange_us, self._told_us or 0)
        self._learn(exchange_us - steady_us)

    def traded(self, event_us: int, steady_us: int) -> None:
        """A trade of this time was received at ``steady_us``."""
        offset = event_us - steady_us
        if self._offset_us is not None and offset > self._offset_us + _TRUSTED_LEAD_US:
            self._disbelieved += 1
            if self._disbelieved < _PERSUASIVE:
                return
        self._disbelieved = 0
        self._learn(offset)

    def certain_us(self, steady_us: int) -> int | None:
        """Return a time that had certainly passed at the exchange when a frame came in.

        Args:
            steady_us: when the latest frame came in.
        """
        if self._tells_time:
            return self._told_us
        return None if self._offset_us is None else self._offset_us + steady_us

    def estimate_us(self, steady_us: int) -> int | None:
        """Return the exchange's probable time now; None before the first sign of it."""
        return None if self._offset_us is None else self._offset_us + steady_us

    def _learn(self, offset_us: int) -> None:
        self._offset_us = offset_us if self._offset_us is None else max(offset_us, self._offset_us)
