"""Rows as they are in a feature store, a range of windows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.domain.trade import ProductKey
from ohlc_features.schema import COLUMNS, FeatureRow
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import open_engine, store_error
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url
from ohlc_history.sources.base import SourceError


class Span(NamedTuple):
    """The first window's start and the last window's end, in ms."""

    first_ms: int
    end_ms: int


class StoredRows(Protocol):
    """A store's history. Each call raises SourceError when the store can not answer."""

    def between(self, key: ProductKey, interval: str, from_ms: int, to_ms: int) -> list[FeatureRow]:
        """Return the rows whose windows start in [from_ms, to_ms), ascending."""

    def span(self, key: ProductKey) -> Span | None:
        """Return what the store holds of the product, or None when there is nothing."""


class LocalRows:
    """The history table of the local store; open it with `local_rows`."""

    def __init__(self, connection: Connection, tables: FeatureTables) -> None:
        self._connection = connection
        self._table = tables.history

    def between(self, key: ProductKey, interval: str, from_ms: int, to_ms: int) -> list[FeatureRow]:
        """Return the rows whose windows start in [from_ms, to_ms), ascending."""
        c = self._table.c
        query = (
            select(*(c[name] for name in COLUMNS))
            .where(c.exchange == key.exchange, c.product_id == key.product_id)
            .where(c.candle_interval == interval)
            .where(c.window_start >= from_ms, c.window_start < to_ms)
            .order_by(c.window_start)
        )
        return [FeatureRow(*row) for row in self._connection.execute(query)]

    def span(self, key: ProductKey) -> Span | None:
        """Return what the store holds of the product, or None when there is nothing."""
        c = self._table.c
        query = select(func.min(c.window_start), func.max(c.window_end)).where(
            c.exchange == key.exchange, c.product_id == key.product_id
        )
        first, end = self._connection.execute(query).one()
        return None if first is None else Span(int(first), int(end))

    def newest_end_ms(self, key: ProductKey, interval: str) -> int | None:
        """Return the end of the product's newest window of the interval, or None."""
        c = self._table.c
        query = select(func.max(c.window_end)).where(
            c.exchange == key.exchange,
            c.product_id == key.product_id,
            c.candle_interval == interval,
        )
        end = self._connection.execute(query).scalar_one()
        return None if end is None else int(end)


@contextmanager
def local_rows(settings: FeatureStoreSettings) -> Iterator[LocalRows]:
    """Open the local store for reading.

    Raises:
        SourceError: it can not be read.
    """
    url = store_url(settings.feature_store_url)
    engine = open_engine(url)
    tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
    try:
        with engine.connect() as connection:
            yield LocalRows(connection, tables)
    except SQLAlchemyError as error:
        raise SourceError(str(store_error(error, url))) from None
    finally:
        engine.dispose()


@contextmanager
def stored_rows(settings: FeatureStoreSettings) -> Iterator[StoredRows]:
    """Open the store for reading.

    Raises:
        SourceError: it can not be read, or is none that keeps rows.
    """
    if settings.feature_store == "local":
        with local_rows(settings) as rows:
            yield rows
    elif settings.feature_store == "hopsworks":
        from ohlc_backfill.verification.hopsworks_rows import hopsworks_rows

        with hopsworks_rows(settings) as read:
            yield read
    else:
        raise SourceError(
            f"FEATURE_STORE was {settings.feature_store!r}, which keeps nothing to verify; "
            "set local or hopsworks"
        )
