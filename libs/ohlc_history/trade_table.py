"""Trades as columns of text: read, checked and written without one Python object a trade.

A raw batch holds what a source read. `clean` turns it into a batch, whose every row is a trade
that a candle can hold, with its numbers in canonical text; `table_of` makes a table of trades
that are already known to be good.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, get_args

import msgspec
import polars as pl

from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.trade import Side, Trade, reason_to_reject

#: The side of a trade whose source does not provide it; the window's buy_volume is then null.
UNKNOWN_SIDE: Side = "unknown"
SIDES: tuple[Side, ...] = get_args(Side)

TRADE_TABLE = pl.Schema(
    {
        "trade_id": pl.String,
        "price": pl.String,
        "quantity": pl.String,
        "side": pl.String,
        "timestamp_us": pl.Int64,
    }
)

# Plain notation, surely in range; anything else is read, slowly, as a Decimal.
_PLAIN = r"^(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?$"
# What a slow row may hold: exponents, leading zeros, no sign, plain ASCII digits; as many of them
# as a number that a candle can hold, and no megabyte of zeros.
_STRICT = re.compile(
    r"([0-9]{1,200}(\.[0-9]{0,200})?|\.[0-9]{1,200})([eE][-+]?[0-9]{1,3})?", re.ASCII
)
_NUMBERS = ("price", "quantity")
_MAX_PAYLOAD = 2_000


class RawBatch(NamedTuple):
    """Some of a source's rows, in its order.

    Attributes:
        part: the file, page or query they are from.
        trades: the columns of `TRADE_TABLE`, null where a row has nothing readable; numbers in
            the source's own text. A null column ``trade_id`` means that the source has no ids.
        payload: given a row's position, returns its text as it was read, for a dead letter.
        has_ids: whether the source provides trade ids.
        first_row: the number of the first row in its file, from 1; 0 where rows have none.
        slow_time: reads the time of a row that the columns did not; None where nothing could.
    """

    part: str
    trades: pl.DataFrame
    payload: Callable[[int], str]
    has_ids: bool
    first_row: int = 0
    slow_time: Callable[[int], int | None] | None = None


class RejectedRow(NamedTuple):
    """A row that is no trade.

    Attributes:
        detail: where it stands, and why.
        payload: its text.
        reason: why, in words that are the same for all rows of the kind.
    """

    detail: str
    payload: str
    reason: str = ""


class Batch(NamedTuple):
    """Some of a source's rows, checked.

    Attributes:
        part: the file, page or query they are from.
        table: the trades (`TRADE_TABLE`), in the source's order; ids are null where it has none.
        rejected: rows that are no trades.
        has_ids: whether the source provides trade ids.
        rows: how many were read.
        repeated: rows left out because another file of the source had them too.
    """

    part: str
    table: pl.DataFrame
    rejected: list[RejectedRow]
    has_ids: bool
    rows: int
    repeated: int = 0


def table_of(trades: Sequence[Trade]) -> pl.DataFrame:
    """Return good trades as a trade table."""
    rows = [
        (t.trade_id, canonical(t.price), canonical(t.quantity), t.side, t.timestamp_us)
        for t in trades
    ]
    return pl.DataFrame(rows, schema=TRADE_TABLE, orient="row")


def row_payload(frame: pl.DataFrame) -> Callable[[int], str]:
    """Return what gives a frame's row as JSON."""

    def payload(position: int) -> str:
        row = frame.row(position, named=True)
        return msgspec.json.encode({name: _plain(value) for name, value in row.items()}).decode()

    return payload


def clean(batch: RawBatch) -> Batch:
    """Return the batch's good rows as a trade table, in order, and its rejected rows.

    Where the source has no ids the table's ids are null: see `ohlc_history.synthetic_ids`.
    """
    table = batch.trades.with_columns(_canonical(name) for name in _NUMBERS)
    good = (
        pl.all_horizontal(pl.col("price", "quantity", "side", "timestamp_us").is_not_null())
        & (pl.col("price") != "0")
        & pl.col("side").is_in(SIDES)
        & pl.col("timestamp_us").is_between(1, (1 << 53) - 1)
    )
    if batch.has_ids:
        good &= (pl.col("trade_id") != "").fill_null(value=False)
    is_good = table.select(good.alias("good")).to_series()
    if is_good.all():
        return Batch(batch.part, table, [], batch.has_ids, table.height)
    return _with_slow_rows(batch, table, is_good)


def _canonical(name: str) -> pl.Expr:
    """Return the canonical text of a plain number, null for any other text."""
    text = pl.col(name)
    trimmed = (
        pl.when(text.str.contains(".", literal=True))
        .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
        .otherwise(text)
    )
    return pl.when(text.str.contains(_PLAIN)).then(trimmed).alias(name)


def _with_slow_rows(batch: RawBatch, table: pl.DataFrame, is_good: pl.Series) -> Batch:
    rejected: list[RejectedRow] = []
    mended: list[tuple[Any, ...]] = []
    for position in (~is_good).arg_true():
        row = batch.trades.row(position, named=True)
        if row["timestamp_us"] is None and batch.slow_time is not None:
            row["timestamp_us"] = batch.slow_time(position)
        try:
            mended.append((position, *_slow_row(row, has_ids=batch.has_ids)))
        except ValueError as error:
            where = f"{batch.part}, row {batch.first_row + position}" if batch.first_row else ""
            payload = batch.payload(position)[:_MAX_PAYLOAD]
            rejected.append(RejectedRow(f"{where or batch.part}: {error}", payload, str(error)))
    index = pl.Series("index", range(table.height), pl.Int64)
    whole = table.insert_column(0, index).filter(is_good)
    if mended:
        schema = {"index": pl.Int64} | dict(TRADE_TABLE)
        whole = pl.concat([whole, pl.DataFrame(mended, schema, orient="row")]).sort("index")
    return Batch(batch.part, whole.drop("index"), rejected, batch.has_ids, is_good.len())


def _slow_row(row: dict[str, Any], *, has_ids: bool) -> tuple[str | None, str, str, str, int]:
    price, quantity = (_decimal(name, row[name]) for name in _NUMBERS)
    if row["side"] not in SIDES:
        raise ValueError("side is neither buy nor sell")
    if row["timestamp_us"] is None:
        raise ValueError("the time cannot be read")
    trade_id = row["trade_id"] if has_ids else None
    if has_ids and not trade_id:
        raise ValueError("trade_id is missing or no id")
    reason = reason_to_reject(
        Trade(trade_id or "synthetic", price, quantity, row["side"], row["timestamp_us"])
    )
    if reason is not None:
        raise ValueError(reason)
    return trade_id, canonical(price), canonical(quantity), row["side"], row["timestamp_us"]


def _decimal(name: str, text: str | None) -> Decimal:
    if text is None or not _STRICT.fullmatch(text):
        raise ValueError(f"{name} is not a number")
    return Decimal(text)


def _plain(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any cell
    return value if isinstance(value, str | int | float | bool | None) else str(value)
