"""Builds the producer's parts from its settings."""

import random
import threading

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.http import RestFetcher, RetryPolicy
from trade_producer.connection import Inbox
from trade_producer.dense_ids import DenseIdStream
from trade_producer.feed import Feed
from trade_producer.metrics import Metrics
from trade_producer.product_flow import Patience, ProductFlow
from trade_producer.settings import ProducerSettings
from trade_producer.shared_ids import SharedIdStream
from trade_producer.trade_stream import TradeStream
from trade_producer.watermarks import Watermarks, WindowEnds

_MIN_BUFFERED = 1_000


def make_fetcher(
    settings: ProducerSettings, adapter: ExchangeAdapter, metrics: Metrics, stop: threading.Event
) -> RestFetcher:
    """Return the REST client that all gap fills share."""
    return RestFetcher(
        adapter,
        settings.exchange_rest_url,
        stop=stop,
        policy=RetryPolicy(attempts=3, max_seconds=5.0),
        interval_seconds=settings.rest_interval_seconds,
        on_wait=lambda _why, seconds: metrics.rest_wait_seconds.inc(seconds),
        on_call=lambda _seconds, status: metrics.rest_calls.labels(status).inc(),
    )


def make_feed(settings: ProducerSettings, adapter: ExchangeAdapter, inbox: Inbox) -> Feed:
    """Return the live feed of all products."""
    return Feed(
        adapter,
        settings.exchange_ws_url,
        settings.product_ids,
        inbox,
        backoff_seconds=settings.connect_backoff_seconds,
        max_age_seconds=settings.max_connection_age_seconds or adapter.max_connection_age_seconds,
    )


def make_window_ends(settings: ProducerSettings) -> WindowEnds:
    """Return what notices that windows are to be closed."""
    intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
    return WindowEnds(intervals, settings.grace_ms * 1_000)


def make_flows(settings: ProducerSettings, adapter: ExchangeAdapter) -> dict[str, ProductFlow]:
    """Return a flow for each product."""
    max_buffered = max(_MIN_BUFFERED, settings.max_buffered_trades // len(settings.product_ids))
    intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
    patience = Patience(
        settings.fill_attempts,
        settings.fill_patience_seconds,
        random.Random(),
        max_wait_seconds=settings.max_gap_wait_seconds,
        accepts_jumps=settings.confirmed_jumps == "accept",
    )
    return {
        product: ProductFlow(
            ProductKey(adapter.name, product),
            adapter,
            _make_stream(adapter, max_buffered),
            Watermarks(intervals, settings.grace_ms * 1_000),
            patience,
        )
        for product in settings.product_ids
    }


def _make_stream(adapter: ExchangeAdapter, max_buffered: int) -> TradeStream:
    if adapter.has_dense_ids:
        return DenseIdStream(max_buffered)
    return SharedIdStream(max_buffered, adapter.history_time_us)
