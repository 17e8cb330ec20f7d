from collections.abc import Iterator
from decimal import Decimal
from typing import cast

import polars as pl
import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    ExchangeAdapter,
    Malformed,
    MalformedResponseError,
    Page,
    Position,
    Request,
    Response,
)
from ohlc_history.sources.page_cache import CachedFetch
from ohlc_history.sources.rest import RestSource, exchange_time_us


def trade(number: int, timestamp_us: int = 0) -> Trade:
    return Trade(str(number), Decimal(1), Decimal(1), "buy", timestamp_us or 1_000 + number)


class Adapter:
    """Yields what it was given, one list of pages or an error a time it is asked."""

    name = "kraken"

    def __init__(self, *answers: list[list[Trade] | Exception], counts: bool = True) -> None:
        self._answers = list(answers)
        self.has_dense_ids = counts
        self.asked: list[int | Position] = []

    def pages_from_time(self, _product: str, from_us: int, _fetch: object) -> Iterator[Page]:
        self.asked.append(from_us)
        return self._pages()

    def pages_after(self, _product: str, position: Position, _fetch: object) -> Iterator[Page]:
        self.asked.append(position)
        return self._pages()

    def _pages(self) -> Iterator[Page]:
        for answer in self._answers.pop(0):
            if isinstance(answer, Exception):
                raise answer
            yield Page(tuple(answer), more=bool(answer))


def no_fetch(_request: Request) -> Response:
    raise AssertionError


def ids(adapter: Adapter, after: Position | None = None) -> list[str]:
    fetch = CachedFetch(no_fetch, cast("ExchangeAdapter", adapter), None, "")
    source = RestSource(cast("ExchangeAdapter", adapter), lambda _product: fetch)
    batches = list(source.batches("BTC/USD", 500, 10_000, after))
    return pl.concat(batch.table for batch in batches)["trade_id"].to_list() if batches else []


def test_pages_come_in_order() -> None:
    adapter = Adapter([[trade(1), trade(2)], [trade(3)], []])
    assert ids(adapter) == ["1", "2", "3"]
    assert adapter.asked == [500]


def test_an_interrupted_replay_asks_behind_its_last_trade() -> None:
    adapter = Adapter([[trade(3)], []])
    assert ids(adapter, Position("2", 1_002)) == ["3"]
    assert adapter.asked == [Position("2", 1_002)]


def test_a_broken_row_is_asked_for_again_from_where_it_stood() -> None:
    broken = MalformedResponseError("a row of Kraken's history")
    adapter = Adapter([[trade(1)], broken], [broken], [[trade(2)], []])
    assert ids(adapter) == ["1", "2"]
    assert adapter.asked == [500, Position("1", 1_001), Position("1", 1_001)]


def test_a_row_that_stays_broken_ends_the_replay() -> None:
    broken = MalformedResponseError("a row of Kraken's history")
    with pytest.raises(MalformedResponseError):
        ids(Adapter(*([broken] for _ in range(4))))


def test_ids_shared_by_products_order_only_within_a_moment() -> None:
    page = [trade(5, 2_000), trade(6, 1_000), trade(7, 2_000)]
    assert ids(Adapter([page], counts=False)) == ["6", "5", "7"]


@pytest.mark.parametrize(
    ("headers", "clock_us"),
    [
        ({"Date": "Tue, 11 Nov 2025 00:00:10 GMT"}, 1_762_819_210_000_000),
        ({"date": "nonsense"}, None),
        ({"date": "Tue, 99 Nov 99999 00:00:10 GMT"}, None),
        ({}, None),
    ],
)
def test_the_exchanges_clock_is_its_date_header(
    headers: dict[str, str], clock_us: int | None
) -> None:
    assert exchange_time_us(Response(200, headers, b"")) == clock_us


def test_row_that_is_no_trade_is_rejected_and_the_others_are_taken() -> None:
    adapter = Adapter([])
    row = Malformed("price is not a positive number", '["0","1",1.5,"b","l","",2]')
    adapter._pages = lambda: iter(  # type: ignore[method-assign]
        [Page((trade(1), trade(3)), more=True, rejected=(row,)), Page((), more=False)]
    )
    fetch = CachedFetch(no_fetch, cast("ExchangeAdapter", adapter), None, "")
    source = RestSource(cast("ExchangeAdapter", adapter), lambda _product: fetch)
    (batch,) = source.batches("BTC/USD", 500, 10_000, None)
    assert batch.table["trade_id"].to_list() == ["1", "3"]
    assert [(each.reason, each.payload) for each in batch.rejected] == [(row.reason, row.payload)]
