"""What every feature store does for the writer."""

from collections.abc import Sequence
from typing import Protocol

from ohlc_core.domain.candle import Candle


class FeatureStore(Protocol):
    """A place where candles are kept for models.

    Whatever the store, writing the same candles again, in any order and any batches, ends in
    the same contents: of each window the newest revision, online the newest window.
    """

    def write(self, candles: Sequence[Candle]) -> None:
        """Keep ``candles``, all of them or none; on return they are durable.

        Raises:
            StoreUnavailableError: the same call may succeed later.
            StoreRejectedError: it will not.
        """

    def close(self) -> None:
        """Let go of files and connections. The store can not be used afterwards."""
