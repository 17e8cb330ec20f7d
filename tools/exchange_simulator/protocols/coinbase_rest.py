"""Coinbase Exchange's public REST over the simulated market."""

from collections.abc import Mapping

from exchange_simulator.formatting import NS, fixed, rfc3339_us, trimmed
from exchange_simulator.market.candles import official_candles
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.protocols.protocol import RestAnswer, RestCall, RestHandler
from exchange_simulator.protocols.rest_responses import json_answer, moment_ns, shown, text_answer

PAGE_TRADES = 1000
CANDLES = 300

_GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
_NOT_FOUND = json_answer({"message": "NotFound"}, 404)


def time_text(time_ns: int) -> str:
    """Return a time as Coinbase writes it."""
    return rfc3339_us(time_ns)


class CoinbaseRest:
    """Products, trades, candles and time."""

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        self._market = market
        self._clock = clock
        self.routes: Mapping[str, RestHandler] = {
            "/products": self._products,
            "/products/{product}": self._product,
            "/products/{product}/trades": self._trades,
            "/products/{product}/candles": self._candles,
            "/time": self._time,
        }

    def _listing(self, call: RestCall) -> Listing | None:
        return self._market.listings.get(call.captured.replace("-", "/"))

    def _products(self, call: RestCall) -> RestAnswer:
        return json_answer([_describe(each) for each in self._market.listings.values()])

    def _product(self, call: RestCall) -> RestAnswer:
        listing = self._listing(call)
        return _NOT_FOUND if listing is None else json_answer(_describe(listing))

    def _trades(self, call: RestCall) -> RestAnswer:
        """Answer newest first; ``after`` is older than an id, ``before`` newer (newest page)."""
        listing = self._listing(call)
        if listing is None:
            return _NOT_FOUND
        try:
            limit = min(int(call.params.get("limit", PAGE_TRADES)), PAGE_TRADES)
            after = int(call.params["after"]) if "after" in call.params else None
            before = int(call.params.get("before", "0"))
        except ValueError:
            return json_answer({"message": "Invalid limit or cursor"}, 400)
        log = listing.log
        stop = shown(log, call)
        if after is not None:
            stop = min(stop, log.index_at_id(after + call.exclusive * -1))
        rows = [row for row in log.newest(max(limit, 1), stop) if row.trade_id > before]
        rows.reverse()
        product = listing.product
        body = ",".join(
            f'{{"trade_id":{row.trade_id},"side":"{"buy" if row.is_sell else "sell"}",'
            f'"size":"{fixed(row.quantity, product.quantity_decimals)}",'
            f'"price":"{fixed(row.price, product.price_decimals)}",'
            f'"time":"{time_text(row.time_ns)}"}}'
            for row in rows
        )
        headers: dict[str, str] = {}
        if rows and call.cursor != "missing":
            newest, last = rows[0].trade_id, rows[-1].trade_id
            is_good = call.cursor == ""
            headers["CB-BEFORE"] = str(newest) if is_good else "x"
            headers["CB-AFTER"] = str(last) if is_good else "x"
        return text_answer(f"[{body}]", headers=headers)

    def _candles(self, call: RestCall) -> RestAnswer:
        """Answer ``[time, low, high, open, close, volume]``, newest first, none when empty."""
        listing = self._listing(call)
        if listing is None:
            return _NOT_FOUND
        now_ns = self._clock.now_ns()
        try:
            seconds = int(call.params.get("granularity", "60"))
            end = moment_ns(call.params["end"]) if "end" in call.params else now_ns
            begin = end - (CANDLES - 1) * seconds * NS
            if "start" in call.params:
                begin = moment_ns(call.params["start"])
        except ValueError:
            return json_answer({"message": "Invalid start, end or granularity"}, 400)
        if seconds not in _GRANULARITIES:
            return json_answer({"message": "Unsupported granularity"}, 400)
        if (end - begin) // NS // seconds > CANDLES:
            words = (
                "granularity too small for the requested time range. Count of aggregations "
                f"requested exceeds {CANDLES}"
            )
            return json_answer({"message": words}, 400)
        product = listing.product
        until = min(end, now_ns)
        rows = [
            "["
            + ",".join(
                [
                    str(each.start),
                    *(
                        trimmed(price, product.price_decimals)
                        for price in (each.low, each.high, each.open, each.close)
                    ),
                    trimmed(each.volume, product.quantity_decimals),
                ]
            )
            + "]"
            for each in official_candles(listing.log, seconds, begin // NS, until)
            if each.trades and each.start * NS >= begin
        ]
        rows.reverse()
        return text_answer(f"[{','.join(rows)}]")

    def _time(self, call: RestCall) -> RestAnswer:
        now = self._clock.now_ns()
        return json_answer({"iso": time_text(now), "epoch": now // 1_000_000 / 1000})


def _describe(listing: Listing) -> dict[str, object]:
    product = listing.product
    return {
        "id": product.name.replace("/", "-"),
        "base_currency": product.base,
        "quote_currency": product.quote,
        "quote_increment": fixed(1, product.price_decimals),
        "base_increment": fixed(1, product.quantity_decimals),
        "status": "online",
        "trading_disabled": False,
    }
