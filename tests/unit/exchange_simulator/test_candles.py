import json
from decimal import Decimal

from exchange_simulator.formatting import NS, fixed
from exchange_simulator.market.candles import official_candles
from exchange_simulator.market.played import read_trades_files
from exchange_simulator.market.trade_log import Row, TradeLog
from support.market_data import market_file


def log_of(*rows: tuple[int, int, int]) -> TradeLog:
    log = TradeLog()
    for number, (seconds, price, quantity) in enumerate(rows):
        log.append(Row(number, price, quantity, False, False, seconds * NS))
    return log


def test_windows_hold_their_start_and_not_their_end() -> None:
    log = log_of((60, 10, 1), (119, 12, 1), (120, 11, 2))
    first, second = official_candles(log, 60, 0, 121 * NS)
    assert (first.start, first.open, first.high, first.low, first.close) == (60, 10, 12, 10, 12)
    assert (second.start, second.trades, second.volume) == (120, 1, 2)


def test_empty_windows_are_flat_and_the_running_one_is_there() -> None:
    log = log_of((60, 10, 1))
    candles = official_candles(log, 60, 0, 250 * NS)
    assert [candle.start for candle in candles] == [60, 120, 180, 240]
    assert all(candle.close == 10 and candle.trades == 0 for candle in candles[1:])


def test_later_start_keeps_the_close_before_it() -> None:
    log = log_of((60, 10, 1), (60, 13, 1))
    assert official_candles(log, 60, 185, 250 * NS)[0].open == 13


def test_candles_of_recorded_trades_are_krakens_own() -> None:
    trades = market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json")
    official = market_file("kraken/rest_official/dev_cut/OHLC_1m_before_21Z.json")
    [played] = read_trades_files([trades])
    log = TradeLog()
    for row in played.rows:
        log.append(row)
    rows = json.loads(official.read_bytes())["result"]["XBTUSDT"]
    theirs = {each[0]: each[1:] for each in rows}
    ours = official_candles(log, 60, 0, log.row(len(log) - 1).time_ns)
    decimals = played.product.price_decimals
    compared = 0
    for candle in ours[1:]:  # the first minute is cut by the recording
        prices = [candle.open, candle.high, candle.low, candle.close]
        expected = theirs[candle.start]
        assert [fixed(price, decimals) for price in prices] == expected[:4]
        assert fixed(candle.volume, 8) == expected[5]
        assert candle.trades == expected[6]
        assert Decimal(fixed(candle.vwap, decimals)) == Decimal(expected[4])
        compared += candle.trades > 0
    assert compared == 139
