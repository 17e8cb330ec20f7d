"""Kraken's public REST over the simulated market.

Every answer is HTTP 200 with ``{"error":[...],"result":...}``, errors too.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from exchange_simulator.formatting import NS, fixed, float_seconds, padded, rfc3339_us
from exchange_simulator.market.candles import official_candles
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.protocol import RestAnswer, RestCall, RestHandler

PAGE_TRADES = 1000
CANDLES = 720

_INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_REST_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_LEGACY_COINS = {"BTC", "ETH", "LTC", "XRP", "ETC", "XLM", "XMR", "ZEC"}
_LEGACY_CASH = {"USD", "EUR", "GBP", "CAD", "JPY"}


def altname(product: str) -> str:
    """Return ``XBTUSD`` for ``BTC/USD``."""
    base, _, quote = product.partition("/")
    return _REST_NAMES.get(base, base) + _REST_NAMES.get(quote, quote)


def result_key(product: str) -> str:
    """Return Kraken's own name of a pair: ``XXBTZUSD`` for ``BTC/USD``, ``XBTUSDT`` for USDT."""
    base, _, quote = product.partition("/")
    if base not in _LEGACY_COINS or quote not in _LEGACY_COINS | _LEGACY_CASH:
        return altname(product)
    mark = "Z" if quote in _LEGACY_CASH else "X"
    return f"X{_REST_NAMES.get(base, base)}{mark}{_REST_NAMES.get(quote, quote)}"


class KrakenRest:
    """The public endpoints a trade pipeline uses."""

    def __init__(self, market: Market, clock: SimulatedClock, system: Callable[[], str]) -> None:
        self._market = market
        self._clock = clock
        self._system = system
        self._pairs = {
            name: listing
            for product, listing in market.listings.items()
            for name in (product, altname(product), result_key(product), _slashed(product))
        }
        self.routes: Mapping[str, RestHandler] = {
            "/0/public/Trades": self._trades,
            "/0/public/OHLC": self._ohlc,
            "/0/public/AssetPairs": self._asset_pairs,
            "/0/public/SystemStatus": self._system_status,
            "/0/public/Time": self._time,
        }

    def error(self, words: str) -> RestAnswer:
        """Return an error in Kraken's form."""
        return _answer(f'{{"error":{json.dumps([words])}}}')

    def _trades(self, call: RestCall) -> RestAnswer:
        listing = self._pairs.get(call.params.get("pair", ""))
        if listing is None:
            return self.error("EQuery:Unknown asset pair")
        try:
            since = _cursor(call.params.get("since", ""))
            count = int(call.params.get("count", PAGE_TRADES))
        except (ValueError, InvalidOperation):
            return self.error("EGeneral:Invalid arguments")
        if not 1 <= count <= PAGE_TRADES:
            return self.error("EGeneral:Invalid arguments:count")
        rows = _page(listing, since, count, call)
        last = rows[-1].time_ns if rows else since or self._clock.now_ns()
        body = ",".join(_trade(row, listing) for row in rows)
        key = result_key(listing.product.name)
        cursor = {"": f',"last":"{last}"', "malformed": f',"last":"{last // NS}"'}
        return _answer(f'{{"error":[],"result":{{"{key}":[{body}]{cursor.get(call.cursor, "")}}}}}')

    def _ohlc(self, call: RestCall) -> RestAnswer:
        listing = self._pairs.get(call.params.get("pair", ""))
        if listing is None:
            return self.error("EQuery:Unknown asset pair")
        try:
            minutes = int(call.params.get("interval", "1"))
            since = int(call.params.get("since", "0"))
        except ValueError:
            return self.error("EGeneral:Invalid arguments")
        if minutes not in _INTERVALS:
            return self.error("EGeneral:Invalid arguments:interval")
        now_ns = self._clock.now_ns()
        seconds = minutes * 60
        running = now_ns // NS // seconds * seconds
        oldest = running - (CANDLES - 1) * seconds
        decimals = listing.product.price_decimals
        rows = [
            f'[{candle.start},"{fixed(candle.open, decimals)}","{fixed(candle.high, decimals)}",'
            f'"{fixed(candle.low, decimals)}","{fixed(candle.close, decimals)}",'
            f'"{fixed(candle.vwap, decimals) if candle.trades else "0.0"}",'
            f'"{fixed(candle.volume, listing.product.quantity_decimals)}",{candle.trades}]'
            for candle in official_candles(listing.log, seconds, oldest, now_ns)
            # The running candle is always there, whatever `since`.
            if candle.start > since or candle.start == running
        ]
        key = result_key(listing.product.name)
        body = f'"{key}":[{",".join(rows)}],"last":{running - seconds}'
        return _answer(f'{{"error":[],"result":{{{body}}}}}')

    def _asset_pairs(self, call: RestCall) -> RestAnswer:
        wanted = [name for name in call.params.get("pair", "").split(",") if name]
        if any(name not in self._pairs for name in wanted):
            return self.error("EQuery:Unknown asset pair")
        listings = [self._pairs[name] for name in wanted] or list(self._market.listings.values())
        result = {result_key(each.product.name): _asset_pair(each) for each in listings}
        return _answer(json.dumps({"error": [], "result": result}, separators=(",", ":")))

    def _system_status(self, call: RestCall) -> RestAnswer:
        stamp = rfc3339_us(self._clock.now_ns())[:19] + "Z"
        result = {"status": self._system(), "timestamp": stamp}
        return _answer(json.dumps({"error": [], "result": result}, separators=(",", ":")))

    def _time(self, call: RestCall) -> RestAnswer:
        now = self._clock.now_ns()
        text = datetime.fromtimestamp(now // NS, UTC).strftime("%a, %d %b %y %H:%M:%S +0000")
        result = {"unixtime": now // NS, "rfc1123": text}
        return _answer(json.dumps({"error": [], "result": result}, separators=(",", ":")))


def _page(listing: Listing, since: int | None, count: int, call: RestCall) -> list[Row]:
    """Return the trades at or after ``since``; without it, the newest."""
    log = listing.log
    stop = len(log) - call.hide_newest
    if since is None:
        return log.newest(count, stop)
    start = log.index_at_time(since + 1 if call.exclusive else since)
    rows: list[Row] = []
    for row in log.rows(start, stop):
        rows.append(row)
        if len(rows) == count:
            break
    return rows


def _trade(row: Row, listing: Listing) -> str:
    product = listing.product
    # REST pads prices: 84098.4 is "84098.40000" there.
    price = padded(row.price, product.price_decimals, product.rest_price_decimals)
    return (
        f'["{price}","{fixed(row.quantity, product.quantity_decimals)}",'
        f'{float_seconds(row.time_ns)},"{"s" if row.is_sell else "b"}",'
        f'"{"m" if row.is_market else "l"}","",{row.trade_id}]'
    )


def _asset_pair(listing: Listing) -> dict[str, object]:
    product = listing.product
    return {
        "altname": altname(product.name),
        "wsname": _slashed(product.name),
        "aclass_base": "currency",
        "base": _REST_NAMES.get(product.base, product.base),
        "aclass_quote": "currency",
        "quote": _REST_NAMES.get(product.quote, product.quote),
        "lot": "unit",
        "pair_decimals": product.price_decimals,
        "lot_decimals": product.quantity_decimals,
        "lot_multiplier": 1,
        "tick_size": fixed(1, product.price_decimals),
        "status": "online",
    }


def _slashed(product: str) -> str:
    """Return the name of websocket v1: ``XBT/USD`` for ``BTC/USD``."""
    base, _, quote = product.partition("/")
    return f"{_REST_NAMES.get(base, base)}/{_REST_NAMES.get(quote, quote)}"


def _cursor(text: str) -> int | None:
    """Return nanoseconds: the cursor is nanoseconds, or (fewer digits) seconds."""
    if not text:
        return None
    value = Decimal(text)
    # Seconds have ten digits until the year 2286, nanoseconds nineteen.
    return int(value.scaleb(9)) if value < 10**12 else int(value)


def _answer(body: str) -> RestAnswer:
    return RestAnswer(200, body.encode(), {"Content-Type": "application/json; charset=utf-8"})
