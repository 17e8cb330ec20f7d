"""Every recording that holds trades, as markets the simulator can play.

The recordings are read with the product's own adapters; what they say is written as the bodies of
Kraken's REST ``Trades``, which the simulator plays in any exchange's protocol.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import FrameEvent, TradesSeen
from ohlc_exchanges.binance.adapter import Binance
from ohlc_exchanges.bitstamp.adapter import Bitstamp
from ohlc_exchanges.coinbase.adapter import Coinbase
from ohlc_exchanges.kraken.adapter import Kraken
from support.market_data import market_file
from support.recordings import received_frames

Rows = dict[str, list[Trade]]


class RecordedMarket(NamedTuple):
    """One recording, or several that run on.

    Attributes:
        name: what a failure is called by.
        exchange: in whose protocol it is played.
        read: reads the trades of each product, by the pair's name in the body (XBTUSD).
    """

    name: str
    exchange: str
    read: Callable[[], Rows]

    def write(self, folder: Path) -> tuple[Path, Rows]:
        """Write the bodies into a new folder; return it and the trades."""
        folder.mkdir(parents=True)
        rows = {pair: _whole(trades) for pair, trades in self.read().items()}
        for pair, trades in rows.items():
            body = {"error": [], "result": {pair: [_row(trade) for trade in trades]}}
            text = json.dumps(body).replace('"@', "").replace('@"', "")
            (folder / f"{pair}_Trades.json").write_text(text)
        return folder, rows


def _row(trade: Trade) -> list[object]:
    seconds, rest = divmod(trade.timestamp_us, 1_000_000)
    return [
        str(trade.price),
        str(trade.quantity),
        f"@{seconds}.{rest:06d}@",  # a number with every digit
        trade.side[0],
        "l",
        "",
        int(trade.trade_id),
    ]


def _whole(trades: Iterable[Trade]) -> list[Trade]:
    by_id = {int(trade.trade_id): trade for trade in trades}
    return [by_id[trade_id] for trade_id in sorted(by_id)]


def _seen(events: Iterable[FrameEvent], pairs: dict[str, str] | None = None) -> Rows:
    rows: Rows = {}
    for event in events:
        if isinstance(event, TradesSeen):
            pair = (pairs or {}).get(event.product_id, event.product_id)
            pair = pair.replace("/", "").replace("-", "").upper()
            rows.setdefault(pair, []).extend(event.trades)
    return rows


def _kraken_websocket() -> Rows:
    name = "kraken/ws_v2/kraken_v2_trade_BTCUSD_ETHUSD_20260926.jsonl"
    adapter = Kraken()
    lines = market_file(name).read_text().splitlines()
    return _seen(event for line in lines for event in adapter.read_frame(line))


def _kraken_bodies(folder: str) -> Rows:
    rows: Rows = {}
    number = 0
    for path in sorted(market_file(folder).glob("*Trades*.json")):
        result = json.loads(path.read_text(), parse_float=Decimal)["result"]
        pair = next(key for key in result if key != "last")
        for row in result[pair]:
            number += 1
            trade_id = row[6] if len(row) > 6 else number
            rows.setdefault(pair, []).append(_trade(trade_id, *row[:4]))
    return rows


def _trade(trade_id: int, price: str, quantity: str, time: Decimal, side: str) -> Trade:
    us = int(Decimal(time) * 1_000_000)
    taker = "buy" if side == "b" else "sell"
    return Trade(str(trade_id), Decimal(price), Decimal(quantity), taker, us)  # type: ignore[arg-type]


def _kraken_csv() -> Rows:
    with market_file("kraken/csv_time_and_sales/BCHEUR.csv").open() as lines:
        rows = list(csv.reader(lines))
    return {
        "BCHEUR": [
            _trade(number, price, quantity, Decimal(time), "s")
            for number, (time, price, quantity) in enumerate(rows, start=1)
        ]
    }


def _binance(names: tuple[str, ...], pair: str) -> Rows:
    adapter = Binance()
    adapter.subscribe_frames(["BTC/USDT"])

    def events() -> Iterator[FrameEvent]:
        for name in names:
            for line in gzip.decompress(market_file(name).read_bytes()).splitlines():
                frame = line.partition(b" ")[2]
                if b'"e":"trade"' in frame and b'"X":"NA"' not in frame:
                    yield from adapter.read_frame(frame)

    return _seen(events(), {"BTC/USDT": pair})


def _coinbase() -> Rows:
    adapter = Coinbase()
    frames = received_frames("coinbase/ws/COINBASE.ws.28.0")
    return _seen(event for frame in frames for event in adapter.read_frame(frame))


def _bitstamp_rest() -> Rows:
    path = market_file("bitstamp/rest/transactions_btcusd_hour_20190614.json")
    rows = reversed(json.loads(path.read_text()))
    return {
        "XBTUSD": [
            _trade(int(r["tid"]), r["price"], r["amount"], Decimal(r["date"]), "bs"[int(r["type"])])
            for r in rows
        ]
    }


def _bitstamp() -> Rows:
    adapter = Bitstamp()
    frames = received_frames("bitstamp/ws/BITSTAMP.ws.1.0")
    return _seen(event for frame in frames for event in adapter.read_frame(frame))


RECORDED_MARKETS = (
    RecordedMarket(
        "rest-official", "kraken", lambda: _kraken_bodies("kraken/rest_official/dev_cut")
    ),
    RecordedMarket("rest-pages", "kraken", lambda: _kraken_bodies("kraken/rest_pages")),
    RecordedMarket("time-and-sales", "kraken", _kraken_csv),
    RecordedMarket("websocket-v2", "kraken", _kraken_websocket),
    RecordedMarket(
        "spot",
        "binance",
        lambda: _binance(
            ("binance/ws_hft/spot_btcusdt_20240808.gz", "binance/ws_hft/spot_btcusdt_20240809.gz"),
            "XBTUSDT",
        ),
    ),
    # Its own pair, so that it does not mix with the spot market's candles.
    RecordedMarket(
        "perpetual",
        "binance",
        lambda: _binance(("binance/ws_hft/usdm_btcusdt_20240808.gz",), "XBTUSD"),
    ),
    RecordedMarket("websocket", "coinbase", _coinbase),
    RecordedMarket("websocket", "bitstamp", _bitstamp),
    RecordedMarket("rest", "bitstamp", _bitstamp_rest),
)
