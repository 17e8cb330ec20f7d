"""What time it certainly is at the exchange, learned from what the exchange sends.

Times the exchange reports (pongs, heartbeats, acknowledgements) are taken as they are. Where it
reports none, trade times and the local monotonic clock give an estimate that can only lag: a
message is never older than its own sending. A time that jumps ahead is believed only once
several in a row agree, and never more than a day ahead of this machine's clock: a watermark made
of it could not be taken back.
"""

import time
from collections.abc import Callable

_S = 1_000_000

# What is further ahead of what is known is not believed ...
_TRUSTED_LEAD_US = 10 * _S
# ... until that many in a row agree (the machine slept, or the exchange's clock was set) ...
_CONSISTENT_TRADES = 20
_CONSISTENT_REPORTS = 3
# ... and never further ahead of this machine's clock than this.
_MAX_LEAD_US = 86_400 * _S


def _local_offset_us() -> int:
    return (time.time_ns() - time.monotonic_ns()) // 1_000


class ExchangeClock:
    """The exchange's time; it never goes back.

    Args:
        provides_server_time: whether the exchange's frames report its time.
        local_offset_us: this machine's time minus its monotonic clock.
    """

    def __init__(
        self,
        *,
        provides_server_time: bool,
        local_offset_us: Callable[[], int] = _local_offset_us,
    ) -> None:
        self._provides_server_time = provides_server_time
        self._local_offset_us = local_offset_us
        self._reported_us: int | None = None
        self._offset_us: int | None = None
        self._doubted_offset_us = 0
        self._doubted = 0

    def reported(self, exchange_us: int, received_us: int) -> None:
        """The exchange reported its time in a frame received at ``received_us``."""
        if self._is_believed(exchange_us - received_us, _CONSISTENT_REPORTS):
            self._reported_us = max(exchange_us, self._reported_us or 0)
            self._learn(exchange_us - received_us)

    def trade_seen(self, event_us: int, received_us: int) -> None:
        """A trade of this time was received at ``received_us``."""
        if self._is_believed(event_us - received_us, _CONSISTENT_TRADES):
            self._learn(event_us - received_us)

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

    def _is_believed(self, offset_us: int, needed: int) -> bool:
        local_us = self._local_offset_us()
        if offset_us > local_us + _MAX_LEAD_US:
            return False
        known_us = local_us if self._offset_us is None else self._offset_us
        if needed == _CONSISTENT_REPORTS:
            # A reported time that this machine's clock has passed is no jump, however fast it
            # runs: a recording may be played faster than it happened.
            known_us = max(known_us, local_us)
        if offset_us <= known_us + _TRUSTED_LEAD_US:
            self._doubted = 0
            return True
        agrees = offset_us >= self._doubted_offset_us - _TRUSTED_LEAD_US
        self._doubted = self._doubted + 1 if self._doubted and agrees else 1
        self._doubted_offset_us = offset_us
        if self._doubted < needed:
            return False
        self._doubted = 0
        return True

    def _learn(self, offset_us: int) -> None:
        self._offset_us = offset_us if self._offset_us is None else max(offset_us, self._offset_us)
