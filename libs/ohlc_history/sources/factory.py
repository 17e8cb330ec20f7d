"""Opening the source that the settings name."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from loguru import logger

from ohlc_core.errors import FatalError, SettingsError
from ohlc_core.plugins import SOURCES, is_plugin, load_plugin
from ohlc_exchanges.base import ExchangeAdapter, ExchangeError, UnknownProductError
from ohlc_exchanges.http import CallSpacing, RestFetcher, RetryPolicy
from ohlc_exchanges.registry import adapter_for, has_dense_ids
from ohlc_history.settings import HistorySettings
from ohlc_history.sources.base import LeftOut, StoredSource, TradeSource
from ohlc_history.sources.history_files import FileSource
from ohlc_history.sources.page_cache import CachedFetch
from ohlc_history.sources.query import QuerySource
from ohlc_history.sources.rest import RestSource

#: What the entry point of a source refers to. Raises SettingsError or FatalError.
SourcePlugin = Callable[[HistorySettings], StoredSource]

#: Called before each wait for the exchange: the product, why, and for how many seconds.
OnWait = Callable[[str, str, float], None]

_DAY_US = 86_400_000_000

# A backfill runs for hours unattended: an exchange may be away for about ten minutes.
_PATIENCE = RetryPolicy(attempts=24)


class OpenedSource(NamedTuple):
    """A source, and what it reported when it was opened.

    Attributes:
        source: the history.
        first_us: of each product's first trade, where the source knows it; else None.
        clock_us: the exchange's clock, where it reported it.
        files: how many files hold each product, where the source has files.
        end_us: a time behind each product's last trade, where the source knows it.
        left_out: files that could not be used.
    """

    source: TradeSource
    first_us: dict[str, int | None]
    clock_us: int | None
    files: Mapping[str, int] = MappingProxyType({})
    left_out: Sequence[LeftOut] = ()
    end_us: Mapping[str, int] = MappingProxyType({})


def open_source(settings: HistorySettings, stop: threading.Event, on_wait: OnWait) -> OpenedSource:
    """Return the source of REPLAY_SOURCE, its products checked.

    Raises:
        SettingsError: the path, the query or a product is wrong.
        FatalError: the exchange cannot be asked.
    """
    products = settings.product_ids
    if settings.replay_source == "rest":
        return _open_rest(settings, stop, on_wait)
    sequential = has_dense_ids(settings.exchange)
    if settings.replay_source == "files":
        files = FileSource(settings.replay_path, products, sequential=sequential)
        for other in files.not_trades:
            logger.info("not used: {}: {}", other.part, other.reason)
        counts = {product: files.parts(product) for product in products}
        first_us = {product: files.first_us(product) for product in products}
        ends = {product: files.end_us(product) for product in products}
        end_us = {product: end for product, end in ends.items() if end is not None}
        return OpenedSource(files, first_us, None, counts, files.left_out, end_us)
    if is_plugin(SOURCES, settings.replay_source):
        opener: SourcePlugin = load_plugin(SOURCES, settings.replay_source)
        stored = opener(settings)
        return OpenedSource(
            stored,
            {product: stored.first_us(product) for product in products},
            None,
            left_out=stored.left_out,
        )
    query = QuerySource(
        settings.replay_query,
        products,
        sequential=sequential,
        database=settings.replay_database.get_secret_value(),
    )
    return OpenedSource(query, {product: query.first_us(product) for product in products}, None)


def open_fetcher(
    settings: HistorySettings, adapter: ExchangeAdapter, stop: threading.Event, on_wait: OnWait
) -> Callable[[str], RestFetcher]:
    """Return what gives the fetcher to use for a product; all space their calls together."""
    interval_seconds = settings.rest_interval_seconds
    if interval_seconds is None:
        interval_seconds = adapter.rest_interval_seconds
    spacing = CallSpacing(interval_seconds)

    def fetcher(product_id: str) -> RestFetcher:
        return RestFetcher(
            adapter,
            settings.exchange_rest_url,
            stop=stop,
            policy=_PATIENCE,
            spacing=spacing,
            on_wait=lambda why, seconds: on_wait(product_id, why, seconds),
        )

    return fetcher


def _open_rest(settings: HistorySettings, stop: threading.Event, on_wait: OnWait) -> OpenedSource:
    adapter = adapter_for(settings.exchange)
    fetcher = open_fetcher(settings, adapter, stop, on_wait)
    folder = None
    if settings.replay_cache != "off":
        folder = Path(settings.replay_cache) / settings.exchange
    fetches = {}
    for product_id in settings.product_ids:
        fetch = fetcher(product_id)
        fetches[product_id] = CachedFetch(fetch, adapter, folder, fetch.base_url)
    source = RestSource(adapter, fetches.__getitem__)
    clocks = [_checked(settings.exchange, source, product) for product in settings.product_ids]
    reported = [clock for clock in clocks if clock is not None]
    _check_reach(settings, adapter, min([*reported, time.time_ns() // 1_000]))
    return OpenedSource(source, dict.fromkeys(settings.product_ids), min(reported, default=None))


def _check_reach(settings: HistorySettings, adapter: ExchangeAdapter, now_us: int) -> None:
    reach = adapter.history_reach
    if reach is None or settings.from_us is None or settings.from_us >= now_us - reach.us:
        return
    begins = datetime.fromtimestamp(-(-(now_us - reach.us) // _DAY_US) * _DAY_US // 1_000_000, UTC)
    raise SettingsError(
        f"FROM_DAY was {settings.from_day}, but {settings.exchange}'s REST history has only "
        f"{reach.message}; begin at {begins:%Y-%m-%d} (UTC) or later, or replay files"
    )


def _checked(exchange: str, source: RestSource, product_id: str) -> int | None:
    """Ask the exchange about the product; return its clock, where it reported it."""
    try:
        return source.check(product_id)
    except UnknownProductError as error:
        raise SettingsError(
            f"PRODUCT_IDS holds {product_id!r}, to which {exchange} says: {error}"
        ) from None
    except ExchangeError as error:
        raise FatalError(f"{exchange}:{product_id}: {error}") from None
