"""What the topics' tails amount to: open candles, revisions, gaps."""

from decimal import Decimal

from dashboard.market import Market
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.records import GapMessage
from support.candle_records import MONDAY_MS, candle

KEY = ProductKey("kraken", "BTC/USD")


def trade(price: str, at_ms: int) -> Trade:
    return Trade("1", Decimal(price), Decimal("0.5"), "buy", at_ms * 1_000)


def test_open_candle_is_of_the_trades_of_its_window_alone() -> None:
    market = Market(["1m"])
    market.trades(KEY, [trade("10", MONDAY_MS - 1)])
    market.trades(
        KEY, [trade("11", MONDAY_MS), trade("9", MONDAY_MS + 1), trade("10.5", MONDAY_MS + 2)]
    )
    row = market.open_candle(KEY, "1m")
    assert row is not None
    assert (row["open"], row["high"], row["low"], row["close"]) == (11, 11, 9, 10.5)
    assert row["volume"] == 1.5
    assert row["partial"] is False


def test_window_whose_beginning_was_not_seen_is_partial() -> None:
    market = Market(["1m"])
    market.trades(KEY, [trade("10", MONDAY_MS + 30_000)])
    row = market.open_candle(KEY, "1m")
    assert row is not None
    assert row["partial"] is True


def test_open_candle_ends_with_the_closed_one() -> None:
    market = Market(["1m"])
    market.trades(KEY, [trade("10", MONDAY_MS)])
    market.candle(candle())
    assert market.open_candle(KEY, "1m") is None


def test_revision_keeps_what_it_replaced_and_an_older_one_changes_nothing() -> None:
    market = Market(["1m"])
    market.candle(candle(close="5"))
    market.candle(candle(close="7", revision=1))
    market.candle(candle(close="5"))
    (row,) = market.recent(KEY, "1m")
    assert row["close"] == 7
    assert row["before"]["close"] == 5


def test_gap_spans_from_the_trade_before_it_to_the_one_behind() -> None:
    market = Market(["1m"])
    market.trades(KEY, [trade("10", MONDAY_MS)])
    market.gap(KEY, GapMessage("kraken", "BTC/USD", "2", "4"))
    market.trades(KEY, [trade("10", MONDAY_MS + 500)])
    assert market.gaps(KEY) == [
        {"first": "2", "last": "4", "from": MONDAY_MS, "to": MONDAY_MS + 500}
    ]


def test_memory_for_candles_is_shared_by_all_products() -> None:
    market = Market(["1m"])
    for window in range(500):
        market.candle(candle(window))
    assert len(market.recent(KEY, "1m")) == 500
    for number in range(799):
        market.candle(candle(product_id=f"P{number}/USD"))
    market.candle(candle(500))
    kept = [row["start"] for row in market.recent(KEY, "1m")]
    assert kept == [MONDAY_MS + window * 60_000 for window in range(301, 501)]


def test_change_is_against_the_price_of_an_hour_ago() -> None:
    market = Market(["1m"])
    for minute, price in ((0, "50"), (30, "100"), (60, "110"), (90, "120")):
        market.trades(KEY, [trade(price, MONDAY_MS + minute * 60_000)])
    (summary,) = market.products()
    assert summary["change"] == 120 / 100 - 1
