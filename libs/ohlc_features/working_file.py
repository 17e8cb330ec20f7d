"""The file in which the windows of features are looked up where the store itself is far away."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import polars as pl
from loguru import logger
from sqlalchemy import BigInteger, Column, MetaData, Table, delete, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.touched import length_ms, reach
from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading.source import CandleRange, CandleSource
from ohlc_features.sql.engine import Database
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.url import store_url

#: Read again beyond what the newest row needs, for corrections of older candles.
_SPARE_WINDOWS = 256


class WorkingFile:
    """Knows whether the file was made, and makes it again from a store's history.

    Args:
        path: of the file.
        definitions: whose windows it must hold.
        open_source: opens the store that has the history.
    """

    def __init__(
        self,
        path: Path,
        definitions: Sequence[DefinedGroup],
        open_source: Callable[[], CandleSource],
    ) -> None:
        self.url = f"sqlite:///{path}"
        self._open_source = open_source
        self._table = Table("working_file", MetaData(), Column("known_until", BigInteger))
        self._lengths: dict[str, int] = {}
        for each in definitions:
            for interval in each.group.intervals:
                for source, length in reach(each.group, interval).lengths().items():
                    self._lengths[source] = max(self._lengths.get(source, 0), length)

    def known_until_ms(self) -> int | None:
        """Return the newest window end there was when the file was made; None: it is not yet."""
        database = Database(store_url(self.url))
        try:
            with database.transaction() as connection:
                if not inspect(connection).has_table(self._table.name):
                    return None
                found = connection.execute(select(self._table.c.known_until)).scalar()
                return None if found is None else int(found)
        except SQLAlchemyError as error:
            raise database.meaning(error) from None
        finally:
            database.close()

    def rebuild(self, local: LocalStore) -> int:
        """Write the candles that the newest rows need to ``local``; return the newest end."""
        try:
            source = self._open_source()
        except StoreRejectedError as error:
            logger.info("the feature groups begin without history: {}", error)
            return self._note(0)
        try:
            newest = max([0, *(self._copy(source, local, *key) for key in _series(source))])
        except StoreRejectedError as error:
            logger.warning(
                "the history cannot be read: rows stay incomplete until their windows have "
                "passed: {}",
                error,
            )
            newest = 0
        finally:
            source.close()
        return self._note(newest)

    def _copy(self, source: CandleSource, local: LocalStore, exchange: str, interval: str) -> int:
        length = self._lengths.get(interval)
        if length is None:
            return 0
        wanted = CandleRange(exchange, None, interval)
        ends = source.latest(wanted)["window_end"].cast(pl.Int64)
        newest = int(ends.max() or 0)  # type: ignore[arg-type]
        windows = 2 * length + _SPARE_WINDOWS
        begin = newest - windows * length_ms(interval)
        local.write(list(_candles(source.history(wanted._replace(start_ms=begin)))))
        return newest

    def _note(self, known_until_ms: int) -> int:
        database = Database(store_url(self.url))
        try:
            with database.transaction() as connection:
                self._table.metadata.create_all(connection)
                connection.execute(delete(self._table))
                connection.execute(insert(self._table).values(known_until=known_until_ms))
        except SQLAlchemyError as error:
            raise database.meaning(error) from None
        finally:
            database.close()
        return known_until_ms


def _series(source: CandleSource) -> list[tuple[str, str]]:
    keys = source.keys().select("exchange", "candle_interval").unique()
    return sorted((exchange, interval) for exchange, interval in keys.iter_rows())


def _candles(frame: pl.DataFrame) -> Iterator[Candle]:
    for row in frame.with_columns(pl.col("window_start", "window_end").cast(pl.Int64)).iter_rows(
        named=True
    ):
        yield Candle(
            exchange=row["exchange"],
            product_id=row["product_id"],
            interval=row["candle_interval"],
            window_start_ms=row["window_start"],
            window_end_ms=row["window_end"],
            open=_exact(row["open"]),
            high=_exact(row["high"]),
            low=_exact(row["low"]),
            close=_exact(row["close"]),
            volume=_exact(row["volume"]),
            vwap=_exact(row["vwap"]),
            trade_count=row["trade_count"],
            buy_volume=None if row["buy_volume"] is None else _exact(row["buy_volume"]),
            first_trade_id=row["first_trade_id"],
            last_trade_id=row["last_trade_id"],
            complete=row["complete"],
            revision=row["revision"],
        )


def _exact(number: float) -> Decimal:
    """Return the shortest decimal that is this double: it becomes the same double again."""
    return Decimal(repr(number))
