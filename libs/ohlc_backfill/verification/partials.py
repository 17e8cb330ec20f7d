"""Exact sums of a batch of trades by short window, a column at a time.

Prices and quantities become integers of one scale a batch, so that sums are exact and fast.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.decimals import EXACT

# The digits that a product of the two, summed over a batch, may have in 128 bits.
_DIGITS = 31


class Partial(NamedTuple):
    """What some successive trades of one window amount to."""

    window_us: int
    trades: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    price_quantity: Decimal
    buy_volume: Decimal | None
    first_id: str
    last_id: str


def partials_of(table: pl.DataFrame, base_us: int) -> Iterator[Partial]:
    """Yield the windows of ``base_us`` that a trade table, in the exchange's order, touches."""
    price_scale, quantity_scale = (_scale(table[name]) for name in ("price", "quantity"))
    if _width(table["price"]) + price_scale + _width(table["quantity"]) + quantity_scale > _DIGITS:
        yield from _one_by_one(table, base_us)
        return
    summed = (
        table.select(
            (pl.col("timestamp_us") - pl.col("timestamp_us") % base_us).alias("window"),
            _scaled("price", price_scale),
            _scaled("quantity", quantity_scale),
            (pl.col("side") == "buy").alias("is_buy"),
            (pl.col("side") == "unknown").alias("is_unknown"),
            pl.col("trade_id"),
        )
        .group_by("window", maintain_order=True)
        .agg(
            pl.len(),
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("quantity").sum().alias("volume"),
            (pl.col("price") * pl.col("quantity")).sum().alias("price_quantity"),
            pl.when(pl.col("is_unknown").any())
            .then(None)
            .otherwise(pl.col("quantity").filter(pl.col("is_buy")).sum())
            .alias("buy"),
            pl.col("trade_id").first().alias("first"),
            pl.col("trade_id").last().alias("last"),
        )
    )
    for row in summed.iter_rows():
        window, count, open_, high, low, close, volume, price_quantity, buy, first, last = row
        yield Partial(
            window,
            count,
            _decimal(open_, price_scale),
            _decimal(high, price_scale),
            _decimal(low, price_scale),
            _decimal(close, price_scale),
            _decimal(volume, quantity_scale),
            _decimal(price_quantity, price_scale + quantity_scale),
            None if buy is None else _decimal(buy, quantity_scale),
            first,
            last,
        )


def _width(texts: pl.Series) -> int:
    longest = texts.str.len_chars().max()
    return longest if isinstance(longest, int) else 0


def _scale(texts: pl.Series) -> int:
    """Return the most decimals any of the canonical texts has."""
    decimals = texts.str.len_bytes().cast(pl.Int64) - texts.str.find(".", literal=True) - 1
    longest = decimals.max()
    return longest if isinstance(longest, int) else 0


def _scaled(name: str, scale: int) -> pl.Expr:
    """Return the numbers as integers of 10^-scale, from their text of no more decimals."""
    return pl.col(name).cast(pl.Decimal(38, scale)).to_physical().alias(name)


def _decimal(value: int, scale: int) -> Decimal:
    return EXACT.scaleb(Decimal(value), -scale)


def _one_by_one(table: pl.DataFrame, base_us: int) -> Iterator[Partial]:
    """The same for numbers too wide for 128 bits."""
    rows = table.select("timestamp_us", "price", "quantity", "side", "trade_id").iter_rows()
    for window_us, group in groupby(rows, key=lambda row: row[0] - row[0] % base_us):
        trades = [(Decimal(p), Decimal(q), side, id_) for _, p, q, side, id_ in group]
        volume = price_quantity = buy = Decimal(0)
        for price, quantity, side, _ in trades:
            volume = EXACT.add(volume, quantity)
            price_quantity = EXACT.fma(price, quantity, price_quantity)
            if side == "buy":
                buy = EXACT.add(buy, quantity)
        prices = [price for price, *_ in trades]
        yield Partial(
            window_us,
            len(trades),
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            volume,
            price_quantity,
            None if any(side == "unknown" for _, _, side, _ in trades) else buy,
            trades[0][3],
            trades[-1][3],
        )
