"""The point-in-time join: what was known at each label's moment, and nothing later.

A candle is known when its window has ended. A join on the window's start would show a model the
rest of the window, which is the future.
"""

from datetime import timedelta

import polars as pl

from ohlc_features.reading.frames import TIME
from ohlc_features.schema import EVENT_TIME

_MOMENT = "__moment"
_PLACE = "__place"


def label_moments(labels: pl.DataFrame, time: str) -> pl.Series:
    """Return the labels' moments as UTC datetimes.

    Raises:
        ValueError: the column is missing, holds nulls, or is neither ms nor UTC datetimes.
    """
    if time not in labels.columns:
        raise ValueError(f"labels have no column {time!r}; they have {labels.columns}")
    moments = labels[time]
    if moments.null_count():
        raise ValueError(f"column {time!r} of the labels holds nulls")
    kind = moments.dtype
    if kind.is_integer():
        return moments.cast(pl.Int64).cast(TIME)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        # Down to the ms, never up: a label a microsecond before a window's end must not see it.
        return moments.dt.convert_time_zone("UTC").dt.truncate("1ms").dt.cast_time_unit("ms")
    raise ValueError(
        f"column {time!r} of the labels was {kind}; expected datetimes with a time zone, "
        "or ms since the Unix epoch"
    )


def join_as_of(
    labels: pl.DataFrame,
    candles: pl.DataFrame,
    time: str,
    max_age: timedelta | None = None,
) -> pl.DataFrame:
    """Return ``labels``, in their order, each with the newest candle known at its moment.

    Args:
        labels: with a column ``product_id`` and the column ``time``.
        candles: of one exchange and interval, with the columns to join, ``product_id`` and
            ``window_end`` among them.
        time: the name of the labels' column of moments.
        max_age: how long before the label the candle's window may have ended; None: any time.

    Raises:
        ValueError: a column would be there twice, or the moments are not usable.
    """
    twice = (set(labels.columns) & set(candles.columns)) - {"product_id"}
    if twice:
        raise ValueError(f"labels already have {sorted(twice)}; rename these columns")
    placed = labels.with_columns(label_moments(labels, time).alias(_MOMENT)).with_row_index(_PLACE)
    joined = placed.sort(_MOMENT).join_asof(
        candles.sort(EVENT_TIME),
        left_on=_MOMENT,
        right_on=EVENT_TIME,
        by="product_id",
        strategy="backward",
        tolerance=max_age,
        coalesce=False,
        check_sortedness=False,  # just sorted; it could not be checked within products anyway
    )
    return joined.sort(_PLACE).drop(_PLACE, _MOMENT)
