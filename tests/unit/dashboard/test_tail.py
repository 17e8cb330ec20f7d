"""What of the topics' records the dashboard shows, whatever they hold."""

import threading
import time
from decimal import Decimal
from typing import Any

from dashboard.market import Market
from dashboard.settings import DashboardSettings
from dashboard.tail import Tails
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import encode, encode_candle, encode_trades
from ohlc_core.messages.records import WatermarkMessage
from ohlc_core.service.settings import load
from support.candle_records import candle

KEY = ProductKey("kraken", "BTC/USD")
NOW_US = int(time.time() * 1_000_000)
FAR_US = NOW_US * 4


class _Message:
    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self) -> bytes:
        return self._value


def _tails(run_id: str = "") -> Tails:
    settings = load(DashboardSettings, kafka_broker_address="127.0.0.1:1", run_id=run_id)
    return Tails(settings, Market(["1m"]), threading.Event())


def _messages(*values: bytes) -> list[Any]:
    return [_Message(value) for value in values]


def _trades(price: str, time_us: int) -> bytes:
    trade = Trade("1", Decimal(price), Decimal(1), "buy", time_us)
    return encode_trades(*KEY, "websocket", [trade])


def test_trade_or_watermark_far_ahead_does_not_hide_the_present() -> None:
    tails = _tails()
    tails._trades(
        _messages(
            _trades("10", FAR_US), encode(WatermarkMessage(*KEY, FAR_US)), _trades("11", NOW_US)
        )
    )
    (product,) = tails.market.products()
    assert product["price"] == 11
    assert product["watermark"] == NOW_US // 1_000
    row = tails.market.open_candle(KEY, "1m")
    assert row is not None
    assert row["close"] == 11
    assert tails.dropped == 2


def test_trade_that_no_candle_counts_is_not_shown() -> None:
    tails = _tails()
    value = _trades("10", NOW_US).replace(b'"prices":[10]', b'"prices":[1e999]')
    tails._trades(_messages(value, b"[" * 100_000))
    assert tails.market.products() == []
    assert tails.dropped == 2


def test_candle_that_no_store_keeps_is_not_shown() -> None:
    tails = _tails()
    good = encode_candle(candle())
    bad = good.replace(b'"interval":"1m"', b'"interval":"soon"')
    tails._candles(_messages(bad, good.replace(b'"open":', b'"open":1e999,"was":'), good))
    assert tails.market.intervals() == ["1m"]
    assert len(tails.market.recent(KEY, "1m")) == 1
    assert tails.dropped == 2


def test_backfills_trades_are_passed_over_and_its_candles_are_not() -> None:
    tails = _tails("mine")
    tails._trades(_messages(_trades("10", NOW_US), encode(WatermarkMessage(*KEY, NOW_US))))
    tails._candles(_messages(encode_candle(candle())))
    (product,) = tails.market.products()
    assert product["watermark"] == NOW_US // 1_000
    assert tails.market.open_candle(KEY, "1m") is None
    assert len(tails.market.recent(KEY, "1m")) == 1
    assert tails.dropped == 0
