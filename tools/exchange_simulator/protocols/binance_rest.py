"""Binance spot's public REST over the simulated market."""

import json
from collections.abc import Callable, Mapping

from exchange_simulator.formatting import NS, fixed, padded
from exchange_simulator.market.candles import OfficialCandle, official_candles
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.market.trade_log import Row, TradeLog
from exchange_simulator.protocols.protocol import RestAnswer, RestCall, RestHandler
from exchange_simulator.protocols.rest_responses import (
    json_answer,
    oldest,
    shown,
    text_answer,
    whole_number,
)

PAGE_ROWS = 1000
_DEFAULT_ROWS = 500
_MS = 1_000_000
_FOREVER = (1 << 62) // _MS

_INTERVALS = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200,
    "4h": 14400, "6h": 21600, "8h": 28800, "12h": 43200, "1d": 86400,
    "1w": 604800,
}  # fmt: skip
# Weeks begin on Monday.
_ORIGINS = {"1w": 4 * 86400}


def symbol_of(product: str) -> str:
    """Return ``BTCUSDT`` for ``BTC/USDT``."""
    return product.replace("/", "")


_TextHandler = Callable[[RestCall], str]


class _BadRequestError(Exception):
    """The call cannot be answered; code and words are Binance's."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class BinanceRest:
    """Trades, aggregated trades, klines and exchange information."""

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        self._market = market
        self._clock = clock
        self._symbols = {symbol_of(name): listing for name, listing in market.listings.items()}
        self._aggregates = {name: _Aggregates(market.log(name)) for name in market.listings}
        self.routes: Mapping[str, RestHandler] = {
            "/api/v3/ping": lambda _: json_answer({}),
            "/api/v3/time": self._time,
            "/api/v3/exchangeInfo": lambda call: _answered(self._exchange_info, call, 20),
            "/api/v3/trades": lambda call: _answered(self._trades, call, 25),
            "/api/v3/historicalTrades": lambda call: _answered(self._historical, call, 25),
            "/api/v3/aggTrades": lambda call: _answered(self._agg_trades, call, 4),
            "/api/v3/klines": lambda call: _answered(self._klines, call, 2),
        }

    def _listing(self, call: RestCall) -> Listing:
        symbol = call.params.get("symbol")
        if not symbol:
            raise _BadRequestError(
                -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            )
        listing = self._symbols.get(symbol)
        if listing is None:
            raise _BadRequestError(-1121, "Invalid symbol.")
        return listing

    def _time(self, call: RestCall) -> RestAnswer:
        return json_answer({"serverTime": self._clock.now_ns() // _scale(call)})

    def _exchange_info(self, call: RestCall) -> str:
        listings = list(self._market.listings.values())
        if "symbol" in call.params:
            listings = [self._listing(call)]
        info = {
            "timezone": "UTC",
            "serverTime": self._clock.now_ns() // _MS,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [_describe(listing) for listing in listings],
        }
        return json.dumps(info, separators=(",", ":"))

    def _trades(self, call: RestCall) -> str:
        listing = self._listing(call)
        limit = _limit(call)
        return _trades_text(listing, listing.log.newest(limit, shown(listing.log, call)), call)

    def _historical(self, call: RestCall) -> str:
        listing = self._listing(call)
        if "fromId" not in call.params:
            return self._trades(call)
        limit = _limit(call)
        from_id = _number(call, "fromId", 0) + call.exclusive
        log = listing.log
        rows = list(oldest(log, log.index_at_id(from_id), shown(log, call), limit))
        return _trades_text(listing, rows, call)

    def _agg_trades(self, call: RestCall) -> str:
        """Answer trades of one taker order and price as one; both ends are inclusive."""
        listing = self._listing(call)
        limit = _limit(call)
        aggregates = self._aggregates[listing.product.name]
        groups = aggregates.groups(shown(listing.log, call))
        if "fromId" in call.params:
            place = _number(call, "fromId", 0)
            found = groups[place : place + limit]
        elif "startTime" in call.params or "endTime" in call.params:
            first = listing.log.index_at_time(_number(call, "startTime", 0) * _MS)
            last = listing.log.index_at_time((_number(call, "endTime", _FOREVER) + 1) * _MS)
            found = [each for each in groups if first <= each[1] < last][:limit]
        else:
            found = groups[-limit:]
        return f"[{','.join(_aggregate_text(listing, *each, _scale(call)) for each in found)}]"

    def _klines(self, call: RestCall) -> str:
        listing = self._listing(call)
        limit = _limit(call)
        interval = call.params.get("interval", "")
        seconds, origin = _INTERVALS.get(interval), _ORIGINS.get(interval, 0)
        if seconds is None:
            raise _BadRequestError(-1120, "Invalid interval.")
        now_ns = self._clock.now_ns()
        end = min(_number(call, "endTime", _FOREVER) * _MS, now_ns)
        running = (end // NS - origin) // seconds * seconds + origin
        start = _number(call, "startTime", (running - (limit - 1) * seconds) * 1000)
        candles = official_candles(listing.log, seconds, -(-start // 1000), end, origin)
        wanted = [each for each in candles if each.start * 1000 >= start][:limit]
        return f"[{','.join(_kline(listing, each, seconds, _scale(call)) for each in wanted)}]"


class _Aggregates:
    """Groups of trades that one taker order made at one price, extended as trades happen."""

    def __init__(self, log: TradeLog) -> None:
        self._log = log
        self._starts: list[int] = []
        self._seen = 0

    def groups(self, stop: int) -> list[tuple[int, int, int]]:
        """Return (aggregate id, first index, last index) of every group before ``stop``."""
        for index in range(self._seen, stop):
            if not self._starts or not self._belong(index - 1, index):
                self._starts.append(index)
        self._seen = max(self._seen, stop)
        starts = [start for start in self._starts if start < stop]
        ends = [*starts[1:], stop] if starts else []
        return [
            (number, start, end - 1)
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]

    def _belong(self, before: int, after: int) -> bool:
        first, second = self._log.row(before), self._log.row(after)
        return (first.price, first.is_sell, first.time_ns) == (
            second.price,
            second.is_sell,
            second.time_ns,
        )


def _answered(handler: _TextHandler, call: RestCall, weight: int) -> RestAnswer:
    try:
        return text_answer(handler(call), headers={"X-MBX-USED-WEIGHT-1M": str(weight)})
    except _BadRequestError as error:
        return json_answer({"code": error.code, "msg": str(error)}, 400)


def _number(call: RestCall, name: str, default: int) -> int:
    try:
        return whole_number(call, name, default, least=0, most=_FOREVER)
    except ValueError:
        raise _BadRequestError(-1100, f"Illegal characters found in parameter '{name}'.") from None


def _limit(call: RestCall) -> int:
    limit = _number(call, "limit", _DEFAULT_ROWS)
    if limit == 0:
        raise _BadRequestError(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, PAGE_ROWS)


def _scale(call: RestCall) -> int:
    """Return the nanoseconds of a time unit: ms, or us when the client asked for them."""
    unit = call.headers.get("X-MBX-TIME-UNIT", "")
    return 1000 if unit.upper() == "MICROSECOND" else _MS


def _trades_text(listing: Listing, rows: list[Row], call: RestCall) -> str:
    product, scale = listing.product, _scale(call)
    price_decimals, quantity_decimals = product.price_decimals, product.quantity_decimals
    value_decimals = price_decimals + quantity_decimals
    trades = ",".join(
        f'{{"id":{row.trade_id},"price":"{padded(row.price, price_decimals, 8)}",'
        f'"qty":"{padded(row.quantity, quantity_decimals, 8)}",'
        f'"quoteQty":"{fixed(row.price * row.quantity, value_decimals)}",'
        f'"time":{row.time_ns // scale},"isBuyerMaker":{"true" if row.is_sell else "false"},'
        '"isBestMatch":true}'
        for row in rows
    )
    return f"[{trades}]"


def _aggregate_text(listing: Listing, number: int, first: int, last: int, scale: int) -> str:
    rows = [listing.log.row(index) for index in range(first, last + 1)]
    product = listing.product
    quantity = sum(row.quantity for row in rows)
    return (
        f'{{"a":{number},"p":"{padded(rows[0].price, product.price_decimals, 8)}",'
        f'"q":"{padded(quantity, product.quantity_decimals, 8)}",'
        f'"f":{rows[0].trade_id},"l":{rows[-1].trade_id},"T":{rows[0].time_ns // scale},'
        f'"m":{"true" if rows[0].is_sell else "false"},"M":true}}'
    )


def _kline(listing: Listing, candle: OfficialCandle, seconds: int, scale: int) -> str:
    product = listing.product
    price_decimals, quantity_decimals = product.price_decimals, product.quantity_decimals
    value_decimals = price_decimals + quantity_decimals
    prices = ",".join(
        f'"{padded(price, price_decimals, 8)}"'
        for price in (candle.open, candle.high, candle.low, candle.close)
    )
    return (
        f"[{candle.start * NS // scale},{prices},"
        f'"{padded(candle.volume, quantity_decimals, 8)}",'
        f"{(candle.start + seconds) * NS // scale - 1},"
        f'"{fixed(candle.value, value_decimals)}",{candle.trades},'
        f'"{padded(candle.buy_volume, quantity_decimals, 8)}",'
        f'"{fixed(candle.buy_value, value_decimals)}","0"]'
    )


def _describe(listing: Listing) -> dict[str, object]:
    product = listing.product
    return {
        "symbol": symbol_of(product.name),
        "status": "TRADING",
        "baseAsset": product.base,
        "baseAssetPrecision": product.quantity_decimals,
        "quoteAsset": product.quote,
        "quotePrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": padded(1, product.price_decimals, 8)},
            {"filterType": "LOT_SIZE", "stepSize": padded(1, product.quantity_decimals, 8)},
        ],
    }
