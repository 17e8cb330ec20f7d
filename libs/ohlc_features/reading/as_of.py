"""The point-in-time join: what was known at each label's moment, and nothing later.

A candle is known when its window has ended and it has been delivered. A join on the window's start
would show a model the rest of the window, which is the future; one on its end alone shows a candle
up to a second or two before any model could read it.
"""

from datetime import timedelta

import polars as pl

from ohlc_features.reading.frames import TIME
from ohlc_features.reading.times import checked_ms

_MOMENT = "__moment"
_PLACE = "__place"

#: The column of moments from which on a candle is known, in the frames that are joined.
KNOWN_AT = "__known_at"


def label_moments(labels: pl.DataFrame, time: str) -> pl.Series:
    """Return the labels' moments as UTC datetimes.

    Whole numbers are ms; datetimes have the unit that their type says.

    Raises:
        ValueError: the column is missing, holds nulls, is neither ms nor datetimes with a zone, or
            holds times before 2009.
    """
    if time not in labels.columns:
        raise ValueError(f"labels have no column {time!r}; they have {labels.columns}")
    moments = labels[time]
    if moments.null_count():
        raise ValueError(f"column {time!r} of the labels holds nulls")
    kind = moments.dtype
    if kind.is_integer():
        in_ms = moments
    elif isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        # Down to the ms, never up: a label a microsecond before a window's end must not see it.
        truncated = moments.dt.convert_time_zone("UTC").dt.truncate("1ms")
        in_ms = truncated.dt.cast_time_unit("ms").cast(pl.Int64)
    else:
        raise ValueError(
            f"column {time!r} of the labels was {kind}; expected datetimes with a time zone, "
            "or ms since the Unix epoch"
        )
    for extreme in (in_ms.min(), in_ms.max()):
        if isinstance(extreme, int):
            checked_ms(extreme, f"column {time!r} of the labels")
    return in_ms.cast(pl.Int64).cast(TIME)


def join_as_of(
    labels: pl.DataFrame,
    candles: pl.DataFrame,
    time: str,
    max_age: timedelta | None = None,
) -> pl.DataFrame:
    """Return ``labels``, in their order, each with the newest candle known at its moment.

    Args:
        labels: with a column ``product_id`` and the column ``time``.
        candles: of one exchange and interval, with the columns to join, ``product_id``,
            ``window_end`` and `KNOWN_AT` among them; of each product, the last one known stands.
            A null in ``window_end`` says that from then on none is known.
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
        candles.sort(KNOWN_AT, maintain_order=True),
        left_on=_MOMENT,
        right_on=KNOWN_AT,
        by="product_id",
        strategy="backward",
        coalesce=False,
        check_sortedness=False,  # just sorted; it could not be checked within products anyway
    )
    if max_age is not None:
        is_young = (pl.col(_MOMENT) - pl.col("window_end")) <= max_age
        added = [name for name in candles.columns if name not in ("product_id", KNOWN_AT)]
        joined = joined.with_columns(
            pl.when(is_young).then(pl.col(name)).alias(name) for name in added
        )
    return joined.sort(_PLACE).drop(_PLACE, _MOMENT, KNOWN_AT)
