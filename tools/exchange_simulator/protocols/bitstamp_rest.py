"""Bitstamp's public REST over the simulated market: whole seconds, one day back at most."""

import json
from collections.abc import Mapping

from exchange_simulator.formatting import NS, fixed
from exchange_simulator.market.candles import official_candles
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.protocols.protocol import RestAnswer, RestCall, RestHandler
from exchange_simulator.protocols.rest_responses import (
    json_answer,
    shown,
    text_answer,
    whole_number,
)

_SPANS = {"minute": 60, "hour": 3600, "day": 86400}
_STEPS = (60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200)
_CANDLES = 1000
_FOREVER = (1 << 62) // NS


def pair_of(product: str) -> str:
    """Return ``btcusd`` for ``BTC/USD``."""
    return product.replace("/", "").lower()


class BitstampRest:
    """Transactions, candles and pairs."""

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        self._market = market
        self._clock = clock
        self._pairs = {pair_of(name): listing for name, listing in market.listings.items()}
        self.routes: Mapping[str, RestHandler] = {
            "/api/v2/transactions/{product}/": self._transactions,
            "/api/v2/transactions/{product}": self._transactions,
            "/api/v2/ohlc/{product}/": self._ohlc,
            "/api/v2/ohlc/{product}": self._ohlc,
            "/api/v2/trading-pairs-info/": self._pairs_info,
        }

    def _transactions(self, call: RestCall) -> RestAnswer:
        """Answer newest first; the time span ends now."""
        listing = self._pairs.get(call.captured)
        if listing is None:
            return _not_found()
        span = _SPANS.get(call.params.get("time", "hour"))
        if span is None:
            return _refusal("time", "allowed: minute, hour, day")
        log, product = listing.log, listing.product
        start = log.index_at_time(self._clock.now_ns() - span * NS)
        rows = list(log.rows(start, shown(log, call)))
        rows.reverse()
        body = ",".join(
            f'{{"date":"{row.time_ns // NS}","tid":"{row.trade_id}",'
            f'"price":"{fixed(row.price, product.price_decimals)}","type":"{int(row.is_sell)}",'
            f'"amount":"{fixed(row.quantity, product.quantity_decimals)}"}}'
            for row in rows
        )
        return text_answer(f"[{body}]")

    def _ohlc(self, call: RestCall) -> RestAnswer:
        listing = self._pairs.get(call.captured)
        if listing is None:
            return _not_found()
        try:
            step = whole_number(call, "step", 0, least=0, most=_FOREVER)
            limit = whole_number(call, "limit", _CANDLES, least=1, most=_CANDLES)
            start = whole_number(call, "start", -1, least=-1, most=_FOREVER)
            end = whole_number(call, "end", _FOREVER, least=0, most=_FOREVER)
        except ValueError as error:
            return _refusal(str(error), "allowed: whole numbers; limit 1 to 1000")
        if step not in _STEPS:
            return _refusal("step", "allowed: " + ", ".join(map(str, _STEPS)))
        now_ns = min(self._clock.now_ns(), end * NS)
        first = now_ns // NS - (limit - 1) * step if start < 0 else start
        candles = official_candles(listing.log, step, first, now_ns)
        wanted = candles[-limit:] if start < 0 else [c for c in candles if c.start >= start][:limit]
        price, quantity = listing.product.price_decimals, listing.product.quantity_decimals
        rows = [
            {
                "timestamp": str(each.start),
                "open": fixed(each.open, price),
                "high": fixed(each.high, price),
                "low": fixed(each.low, price),
                "close": fixed(each.close, price),
                "volume": fixed(each.volume, quantity),
            }
            for each in wanted
        ]
        return json_answer({"data": {"pair": listing.product.name, "ohlc": rows}})

    def _pairs_info(self, call: RestCall) -> RestAnswer:
        return text_answer(json.dumps([_describe(each) for each in self._pairs.values()]))


def _describe(listing: Listing) -> dict[str, object]:
    product = listing.product
    return {
        "name": product.name,
        "url_symbol": pair_of(product.name),
        "base_decimals": product.quantity_decimals,
        "counter_decimals": product.price_decimals,
        "trading": "Enabled",
    }


def _not_found() -> RestAnswer:
    return RestAnswer(404, b"<html><body><h1>404 Not Found</h1></body></html>")


def _refusal(name: str, allowed: str) -> RestAnswer:
    reason = {name: [f"This value is not allowed; {allowed}."]}
    return json_answer({"status": "error", "reason": reason, "code": "API0011"}, 400)
