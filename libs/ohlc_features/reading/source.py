"""What a store must provide for the reader."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import polars as pl

from ohlc_features.reading.groups import StoredFeature, StoredGroup


class CandleRange(NamedTuple):
    """Which candles: of one interval, with windows that start in ``[start_ms, end_ms)``.

    Attributes:
        product_ids: None means every product.
        start_ms: None means from the first.
        end_ms: None means to the last.
        include_incomplete: whether rows that may miss trades are wanted, too.
    """

    exchange: str
    product_ids: tuple[str, ...] | None
    interval: str
    start_ms: int | None = None
    end_ms: int | None = None
    include_incomplete: bool = False


class Span(NamedTuple):
    """The first window's start and the last window's end, in ms."""

    first_ms: int
    end_ms: int


class LatestRow(NamedTuple):
    """The newest row of a feature group.

    Attributes:
        window_end_ms: when its window ended.
        values: of the features, in the group's order.
        complete: whether no candle of its windows was missing.
        candle_end_ms: when the newest candle's window ended; later than the row's where no writer
            keeps the group's rows in step.
    """

    window_end_ms: int
    values: Sequence[float | None]
    complete: bool
    candle_end_ms: int


class CandleSource(Protocol):
    """One store, read as frames with `ohlc_features.reading.frames.SCHEMA`.

    Each call raises StoreUnavailableError or StoreRejectedError when the store cannot answer.
    """

    def history(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the candles of the range, in the order of product and time."""

    def latest(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the newest complete candle of each product; the range's times do not matter."""

    def versions(self, wanted: CandleRange) -> pl.DataFrame:
        """Return every row that the range's windows ever had, complete or not.

        The column ``replaced_at`` says when another row took its place, null where none has.
        """

    def last_start_known_at(self, wanted: CandleRange, moment_ms: int) -> int | None:
        """Return the earliest, over products, of the last windows that had ended by a moment.

        It is where a read must begin to know every product's state at that moment; None when
        nothing was known of any product.
        """

    def span(self, exchange: str, product_id: str, interval: str | None = None) -> Span | None:
        """Return what the store holds of the product (of one interval), or None."""

    def keys(self) -> pl.DataFrame:
        """Return which ``exchange``, ``product_id`` and ``candle_interval`` have a newest row."""

    def definitions(self) -> list[StoredFeature]:
        """Return the features of every group that was written to the store."""

    def feature_rows(self, group: StoredGroup, wanted: CandleRange) -> pl.DataFrame:
        """Return a group's rows of the range, in the order of product and time."""

    def latest_feature_row(self, group: StoredGroup, wanted: CandleRange) -> LatestRow | None:
        """Return the newest row of the range's one product, or None."""

    def close(self) -> None:
        """Close the connections."""
