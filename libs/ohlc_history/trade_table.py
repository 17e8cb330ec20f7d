"""Trades as columns of text: read, checked and written without one Python object a trade.

A raw batch holds what a source read. `clean` turns it into a trade table, whose every row is a
trade that a candle can hold, with its numbers in canonical text; `table_of` makes one of trades
that are already known to be good.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
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
_NUMBERS = ("price", "quantity")
_MAX_PAYLOAD = 2_000


class RawBatch(NamedTuple):
    """Some of a source's rows, in its order.

    Attributes:
        part: the file, page or query they are from.
        trades: the columns of `TRADE_TABLE`, null where a row has nothing readable; numbers in
            the source's own text. A null column ``trade_id`` means that the source has no ids.
        origin: the same rows as they were read, for a dead letter.
        has_ids: whether the source tells trade ids.
    """

    part: str
    trades: pl.DataFrame
    origin: pl.DataFrame
    has_ids: bool


class RejectedRow(NamedTuple):
    """A row that is no trade: why, and its text."""

    detail: str
    payload: str


def table_of(trades: Sequence[Trade]) -> pl.DataFrame:
    """Return good trades as a trade table."""
    rows = [
        (t.trade_id, canonical(t.price), canonical(t.quantity), t.side, t.timestamp_us)
        for t in trades
    ]
    return pl.DataFrame(rows, schema=TRADE_TABLE, orient="row")


def clean(batch: RawBatch) -> tuple[pl.DataFrame, list[RejectedRow]]:
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
        return table, []
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


def _with_slow_rows(
    batch: RawBatch, table: pl.DataFrame, is_good: pl.Series
) -> tuple[pl.DataFrame, list[RejectedRow]]:
    rejected: list[RejectedRow] = []
    mended: list[tuple[Any, ...]] = []
    positions = (~is_good).arg_true()
    for position in positions:
        row = batch.trades.row(position, named=True)
        try:
            mended.append((position, *_slow_row(row, has_ids=batch.has_ids)))
        except ValueError as error:
            payload = _payload(batch.origin.row(position, named=True))
            rejected.append(RejectedRow(f"{batch.part}: {error}", payload))
    index = pl.Series("index", range(table.height), pl.Int64)
    whole = table.insert_column(0, index).filter(is_good)
    if mended:
        schema = {"index": pl.Int64} | dict(TRADE_TABLE)
        whole = pl.concat([whole, pl.DataFrame(mended, schema, orient="row")]).sort("index")
    return whole.drop("index"), rejected


def _slow_row(row: dict[str, Any], *, has_ids: bool) -> tuple[str | None, str, str, str, int]:
    price, quantity = (_decimal(name, row[name]) for name in _NUMBERS)
    if row["side"] not in SIDES:
        raise ValueError("side is neither buy nor sell")
    if row["timestamp_us"] is None:
        raise ValueError("the time can not be read")
    trade_id = row["trade_id"] if has_ids else None
    if has_ids and not trade_id:
        raise ValueError("trade_id is empty")
    reason = reason_to_reject(
        Trade(trade_id or "made", price, quantity, row["side"], row["timestamp_us"])
    )
    if reason is not None:
        raise ValueError(reason)
    return trade_id, canonical(price), canonical(quantity), row["side"], row["timestamp_us"]


def _decimal(name: str, text: str | None) -> Decimal:
    try:
        return Decimal(text or "")
    except InvalidOperation:
        raise ValueError(f"{name} is not a number") from None


def _payload(row: dict[str, Any]) -> str:
    if len(row) == 1:
        text = str(next(iter(row.values())))
    else:
        text = msgspec.json.encode({name: _plain(value) for name, value in row.items()}).decode()
    return text[:_MAX_PAYLOAD]


def _plain(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any cell
    return value if isinstance(value, str | int | float | bool | None) else str(value)
