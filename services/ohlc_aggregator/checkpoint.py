"""Products in memory between checkpoints, written to quixstreams state as part of each.

quixstreams commits a checkpoint in this order: sinks are flushed, changelog and outputs are
produced, offsets are committed, local state is written. `ProductCache` registers as a sink, so
its `flush` writes the products' state first: state, outputs and offsets belong to one checkpoint.
quixstreams does not document this; so its version is pinned, and crash tests cover it.
"""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Gauge
from quixstreams.sinks.base import BaseSink
from quixstreams.state import State

from ohlc_aggregator.metrics import (
    CHECKPOINT,
    OPEN_WINDOWS,
    PRODUCTS,
    WATERMARK,
    WATERMARK_LAG,
    Counts,
)
from ohlc_core.domain.product_candles import STATE_NAME, ProductCandles
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.trade import ProductKey
from ohlc_core.service.status import Status
from ohlc_exchanges.registry import has_dense_ids

#: No record key: they have a colon.
_PARTITION = b"partition"


class QuixState:
    """quixstreams' state of one record key, as the domain's `StateStore`."""

    def __init__(self, state: State[Any, Any]) -> None:
        self._state = state

    def renew(self, state: State[Any, Any]) -> None:
        """Go on with another checkpoint's state of the same key."""
        self._state = state

    def get(self, name: str) -> bytes | None:
        """Return the value, or None when there is none."""
        return self._state.get_bytes(name)

    def set(self, name: str, value: bytes) -> None:
        """Keep the value under the name."""
        self._state.set_bytes(name, value)

    def delete(self, name: str) -> None:
        """Forget the value, if there is one."""
        self._state.delete(name)


def partition_state(state: State[Any, Any]) -> QuixState:
    """Return what belongs to the partition of this state, not to one of its record keys."""
    # The only way to another key of a partition.
    transaction = state._transaction  # type: ignore[attr-defined]  # noqa: SLF001
    return QuixState(transaction.as_state(_PARTITION))


class ProductCache(BaseSink):
    """The products of this instance.

    A product stays in memory as long as the state it last saved is still the stored one. That is
    no longer so when its partition was elsewhere in the meantime, or when a checkpoint was
    aborted: then it is read again.

    Args:
        rules: of the candles.
        counts: published with each checkpoint.
        before_flush: called before state is written.
        on_flush: called after it.
    """

    def __init__(
        self,
        rules: CandleRules,
        counts: Counts,
        before_flush: Callable[[], None],
        on_flush: Callable[[], None],
    ) -> None:
        super().__init__(on_client_connect_success=lambda: None)
        self._rules = rules
        self._counts = counts
        self._before_flush = before_flush
        self._on_flush = on_flush
        self._products: dict[ProductKey, ProductCandles] = {}
        self._stores: dict[ProductKey, QuixState] = {}
        self._saved: dict[ProductKey, bytes] = {}
        self._touched: dict[ProductKey, ProductCandles] = {}
        # Looking a metric's labels up costs more than setting it.
        self._watermarks: dict[ProductKey, Gauge] = {}

    def product(self, key: ProductKey, state: State[Any, Any]) -> ProductCandles:
        """Return the product's candles, as current as the stored state."""
        product = self._touched.get(key)
        if product is None:
            product = self._products.get(key)
            if product is not None and state.get_bytes(STATE_NAME) == self._saved.get(key):
                self._stores[key].renew(state)
            else:
                store = self._stores[key] = QuixState(state)
                sequential = has_dense_ids(key.exchange)
                product = ProductCandles(key, self._rules, store, sequential=sequential)
                self._products[key] = product
                self._watermarks[key] = WATERMARK.labels(key.exchange, key.product_id)
            self._touched[key] = product
        return product

    def add(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the outputs are of no interest
        """Do nothing: the state of products is written, not their outputs."""

    def flush(self) -> None:
        """Write the state of every product touched since the last checkpoint."""
        self._before_flush()
        begin = time.perf_counter()
        for key, product in self._touched.items():
            self._saved[key] = product.save()
        self._touched.clear()
        CHECKPOINT.observe(time.perf_counter() - begin)
        self._counts.publish()
        self._on_flush()

    def on_paused(self) -> None:
        """Forget what was not written: the records will come again."""
        for key in self._touched:
            self._products.pop(key, None)
        self._touched.clear()

    def report(self, status: Status) -> None:
        """Renew what ``/status`` says."""
        products = {
            key.product_id: {"exchange": key.exchange, "watermark_us": product.watermark_us}
            for key, product in self._products.items()
        }
        status.say("live", f"Aggregating {len(products)} product{'s' * (len(products) != 1)}")
        status.progress(products=products)

    def publish_gauges(self, now_us: int) -> None:
        """Update what is known of the products as a whole."""
        products = self._products.values()
        OPEN_WINDOWS.set(sum(product.open_windows for product in products))
        PRODUCTS.set(len(products))
        watermarks = [p.watermark_us for p in products if p.watermark_us is not None]
        for key, product in self._products.items():
            if product.watermark_us is not None:
                self._watermarks[key].set(product.watermark_us / 1e6)
        if watermarks:
            WATERMARK_LAG.set((now_us - min(watermarks)) / 1_000_000)
