"""Which row was the newest one in the store, moment by moment."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from ohlc_features.reading.as_of import KNOWN_AT
from ohlc_features.reading.frames import TIME
from ohlc_features.schema import REPLACED_AT

_NUMBER = "__number"


class _Life(NamedTuple):
    """A complete row and when it stood in the store."""

    window_start: int
    begin: int
    end: int | None
    number: int


def newest_over_time(versions: pl.DataFrame) -> pl.DataFrame:
    """Return what ``latest`` returned, for each product, from one moment to the next.

    Args:
        versions: every row that windows of one exchange and interval ever had.

    Returns:
        The rows that were the newest complete one at some time, each with `KNOWN_AT`: from when
        on. A row of nulls says that from then on there was none.
    """
    numbered = versions.with_row_index(_NUMBER)
    complete = numbered.filter("complete").select(
        "product_id",
        *(pl.col(name).cast(pl.Int64) for name in ("window_start", "stored_at", REPLACED_AT)),
        _NUMBER,
    )
    products: list[str] = []
    moments: list[int] = []
    numbers: list[int | None] = []
    for (product,), rows in complete.group_by("product_id"):
        for moment, number in _steps([_Life._make(row[1:]) for row in rows.iter_rows()]):
            products.append(str(product))
            moments.append(moment)
            numbers.append(number)
    steps = pl.DataFrame(
        {"product_id": products, KNOWN_AT: moments, _NUMBER: numbers},
        schema={"product_id": pl.String, KNOWN_AT: pl.Int64, _NUMBER: numbered.schema[_NUMBER]},
    ).with_columns(pl.col(KNOWN_AT).cast(TIME))
    return steps.join(
        numbered.drop("product_id", REPLACED_AT), on=_NUMBER, how="left", maintain_order="left"
    ).drop(_NUMBER)


def _steps(lives: list[_Life]) -> Iterator[tuple[int, int | None]]:
    """Yield, for one product, from when on which row is the newest."""
    moments = sorted({moment for life in lives for moment in (life.begin, life.end) if moment})
    waiting = sorted(lives, key=lambda life: life.begin, reverse=True)
    standing: list[tuple[int, _Life]] = []
    before: int | None = None
    for moment in moments:
        while waiting and waiting[-1].begin <= moment:
            life = waiting.pop()
            heapq.heappush(standing, (-life.window_start, life))
        while standing and _is_over(standing[0][1], moment):
            heapq.heappop(standing)
        newest = standing[0][1].number if standing else None
        if newest != before:
            yield moment, newest
            before = newest


def _is_over(life: _Life, moment: int) -> bool:
    return life.end is not None and life.end <= moment
