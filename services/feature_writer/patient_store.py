"""Writing to a store that may not answer, without waiting for it for ever."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_features.base import FeatureStore, LosableStore
from ohlc_features.errors import StoreUnavailableError


class Written(NamedTuple):
    """What one write did.

    Attributes:
        candles: how many of those given, from the first, are done with.
        left_out: how many of them the store did not take, being incomplete.
    """

    candles: int
    left_out: int


class _Write:
    """One call of the store, in a thread of its own."""

    def __init__(self, store: FeatureStore, candles: Sequence[Candle]) -> None:
        self.left_out = 0
        self.ended = threading.Event()
        self.error: Exception | None = None
        self.store, self.candles = store, candles
        # A daemon: a call that never returns must not keep the process alive.
        threading.Thread(target=self._run, name="store", daemon=True).start()

    def _run(self) -> None:
        try:
            self.left_out = self.store.write(self.candles)
        except Exception as error:  # handed to the waiting thread
            self.error = error
        self.ended.set()


class PatientStore:
    """Calls the store from another thread and waits for a bounded time.

    Args:
        store: where candles are kept.
        patience_seconds: how long one call of `write` waits.
    """

    def __init__(self, store: FeatureStore, patience_seconds: float) -> None:
        self._store = store
        self._patience = patience_seconds
        self._pending: _Write | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the store has not answered yet."""
        return self._pending is not None and not self._pending.ended.is_set()

    def write(self, candles: Sequence[Candle]) -> Written:
        """Write ``candles``, or wait again for the write that has not ended.

        Fewer of them are done with than there are where more came while an earlier write was
        waited for.

        Raises:
            StoreUnavailableError: it failed for now, or has not ended yet.
            StoreError, Exception: what the store raised.
        """
        pending = self._pending = self._pending or _Write(self._store, list(candles))
        if not pending.ended.wait(self._patience):
            raise StoreUnavailableError(
                f"the store has not answered for {self._patience:g} s; still waiting for it"
            )
        self._pending = None
        if pending.error is not None:
            raise pending.error
        return Written(len(pending.candles), pending.left_out)

    def is_lost(self) -> bool:
        """Return whether what the store kept was deleted under it."""
        return isinstance(self._store, LosableStore) and self._store.is_lost()

    def reopen(self) -> None:
        """Make a lost store again, empty.

        Raises:
            StoreUnavailableError: it cannot be opened for now.
            StoreRejectedError: it cannot be opened.
        """
        if isinstance(self._store, LosableStore):
            self._store.reopen()

    def close(self) -> None:
        """Close the store, unless it hangs."""
        if not self.is_waiting:
            self._store.close()
