"""What is done a column at a time equals what is done a trade at a time."""

import itertools
from decimal import Decimal

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Side, Trade, reason_to_reject
from ohlc_core.messages.codec import encode_trades
from ohlc_features.schema import FeatureRow, feature_row
from ohlc_history.deduplicate import TradeOrder
from ohlc_history.synthetic_ids import IdMaker
from ohlc_history.trade_table import RawBatch, clean, table_of
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, Driver, newest, rules
from trade_replayer.records import records_of

INTERVALS = ("1m", "5m", "1h")


def decimals(places: int, most: int) -> st.SearchStrategy[Decimal]:
    scaled = st.integers(1, most * 10**places).map(lambda number: Decimal(number).scaleb(-places))
    return scaled | st.integers(1, most).map(Decimal)


SIDES: st.SearchStrategy[Side] = st.sampled_from(("buy", "sell", "buy", "sell", "unknown"))


@st.composite
def histories(draw: st.DrawFn, places: int = 8) -> list[Trade]:
    """Trades with counted ids, in order, some at one moment, some minutes apart."""
    steps = st.sampled_from((0, 1, 999_999, 7 * SECOND, MINUTE, 3 * MINUTE, 2 * HOUR))
    rows = draw(
        st.lists(
            st.tuples(steps, decimals(places, 100_000), decimals(places, 50), SIDES),
            min_size=1,
            max_size=60,
        )
    )
    time_us, trades = T0 + draw(st.integers(0, HOUR)), []
    for number, (step, price, quantity, side) in enumerate(rows, start=1):
        time_us += step
        trades.append(Trade(str(number), price, quantity, side, time_us))
    return trades


@given(histories(), st.integers(1, 70))
def test_records_are_the_codecs_bytes(trades: list[Trade], batch: int) -> None:
    expected = [
        encode_trades("kraken", "BTC/USD", "file", trades[begin : begin + batch])
        for begin in range(0, len(trades), batch)
    ]
    records = records_of("kraken", "BTC/USD", "file", table_of(trades), batch)
    assert [record.value for record in records] == expected


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@example([Decimal("1." + "3" * 45 + "E-12"), Decimal("7" * 60 + "E-50")])
def test_cleaning_accepts_what_a_candle_can_hold(prices: list[Decimal]) -> None:
    trades = [Trade("1", price, Decimal(1), "buy", T0) for price in prices]
    rows = [("1", str(price), "1", "buy", T0) for price in prices]
    raw = pl.DataFrame(rows, schema=table_of([]).schema, orient="row")
    found = clean(RawBatch("p", raw, str, has_ids=True))
    table, rejected = found.table, found.rejected
    good = [trade for trade in trades if reason_to_reject(trade) is None]
    assert table["price"].to_list() == [canonical(trade.price) for trade in good]
    assert len(rejected) == len(trades) - len(good)


def recomputed(
    trades: list[Trade], from_us: int, to_us: int, cuts: list[int], *, fill: bool
) -> list[FeatureRow]:
    intervals = [Interval.parse(text) for text in INTERVALS]
    rows = ExpectedRows(KEY, intervals, from_us, to_us, fill=fill)
    found: list[FeatureRow] = []
    bounds = sorted({0, len(trades), *(cut % (len(trades) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        found += rows.add(table_of(trades[begin:end]))
    found += rows.finish()
    for text in INTERVALS:
        starts = [row.window_start for row in found if row.candle_interval == text]
        assert starts == sorted(starts)
    return found


@given(
    histories() | histories(places=20),
    st.lists(st.integers(0, 100), max_size=5),
    st.booleans(),
    st.integers(0, 3 * HOUR),
)
def test_recomputed_rows_are_the_aggregators_complete_candles(
    trades: list[Trade], cuts: list[int], fill: bool, after: int
) -> None:
    from_us = trades[0].timestamp_us - trades[0].timestamp_us % (7 * SECOND)
    to_us = trades[-1].timestamp_us + 1 + after
    driver = Driver(rules(*INTERVALS, fill=fill))
    candles = driver.start(from_us)
    candles += driver.trades(*trades)
    candles += driver.watermark(to_us, final=True)
    expected = sorted(feature_row(candle) for candle in newest(candles).values() if candle.complete)
    found = [
        row._replace(revision=0) for row in recomputed(trades, from_us, to_us, cuts, fill=fill)
    ]
    assert sorted(found) == [row._replace(revision=0) for row in expected]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_made_ids_do_not_depend_on_batches(rows: list[tuple[int, int]], cuts: list[int]) -> None:
    rows.sort(key=lambda row: row[0])
    cells = [(None, "1", str(quantity), "sell", time) for time, quantity in rows]
    table = pl.DataFrame(cells, schema=table_of([]).schema, orient="row")
    whole = IdMaker().assign("file", table)
    assert whole["trade_id"].n_unique() == len(rows)
    maker, order, taken = IdMaker(), TradeOrder(by_id=False), []
    bounds = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(bounds):
        made = maker.assign("file", table.slice(begin, end - begin))
        taken += order.take("file", made).table["trade_id"].to_list()
    assert taken == whole["trade_id"].to_list()


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12),
)
def test_overlapping_pages_give_each_trade_once(last: int, jumps: list[tuple[int, int]]) -> None:
    """Pages begin anywhere up to the next unknown trade, as an inclusive cursor's do."""
    order, taken, known = TradeOrder(by_id=True), [], 0
    for number, (back, length) in enumerate([*jumps, (0, last)]):
        begin = max(1, known + 1 - back)
        page = [
            Trade(str(id_), Decimal(1), Decimal(1), "buy", T0 + id_)
            for id_ in range(begin, min(begin + length, last) + 1)
        ]
        fresh = order.take(f"page {number}", table_of(page))
        taken += fresh.table["trade_id"].to_list()
        assert fresh.gaps == []
        known = max([known, *(int(trade.trade_id) for trade in page)])
    assert taken == [str(number) for number in range(1, known + 1)]
