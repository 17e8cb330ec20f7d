"""OKX's public REST over the simulated market: trades by id, three months back at most."""

from collections.abc import Mapping

from exchange_simulator.formatting import NS, trimmed
from exchange_simulator.market.candles import official_candles
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.market.products import Product
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.protocol import RestAnswer, RestCall, RestHandler
from exchange_simulator.protocols.rest_responses import (
    json_answer,
    shown,
    text_answer,
    whole_number,
)

_PAGE = 100
_REACH_NS = 90 * 86_400 * NS
_MS = NS // 1_000
_FOREVER = 1 << 62
_BARS = {
    **{"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1H": 3600, "2H": 7200},
    **{"4H": 14_400, "6Hutc": 21_600, "12Hutc": 43_200, "1Dutc": 86_400},
}


def describe_trade(product: Product, row: Row) -> str:
    """Return a trade as OKX writes it, over websocket and REST alike."""
    return (
        f'{{"instId":"{product.name.replace("/", "-")}","tradeId":"{row.trade_id}",'
        f'"px":"{trimmed(row.price, product.price_decimals)}",'
        f'"sz":"{trimmed(row.quantity, product.quantity_decimals)}",'
        f'"side":"{"sell" if row.is_sell else "buy"}","source":"0",'
        f'"ts":"{row.time_ns // _MS}"}}'
    )


def refusal(code: str, message: str, status: int = 200) -> RestAnswer:
    """Return an error in OKX's form."""
    return json_answer({"code": code, "data": [], "msg": message}, status)


class OkxRest:
    """Trades, candles and time."""

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        self._market = market
        self._clock = clock
        self.routes: Mapping[str, RestHandler] = {
            "/api/v5/market/history-trades": self._trades,
            "/api/v5/market/history-candles": self._candles,
            "/api/v5/public/time": self._time,
        }

    def _listing(self, call: RestCall) -> Listing | None:
        name = call.params.get("instId", "")
        return None if "/" in name else self._market.listings.get(name.replace("-", "/"))

    def _trades(self, call: RestCall) -> RestAnswer:
        """Answer newest first; ``after`` is older than an id."""
        listing = self._listing(call)
        if listing is None:
            return _unknown_instrument()
        try:
            limit = whole_number(call, "limit", _PAGE, least=1, most=_PAGE)
            after = whole_number(call, "after", _FOREVER, least=0, most=_FOREVER)
        except ValueError as error:
            return refusal("51000", f"Parameter {error} error", 400)
        log = listing.log
        stop = min(shown(log, call), log.index_at_id(after - call.exclusive))
        oldest_ns = self._clock.now_ns() - _REACH_NS
        rows = [row for row in log.newest(limit, stop) if row.time_ns >= oldest_ns]
        body = ",".join(describe_trade(listing.product, row) for row in reversed(rows))
        return text_answer(f'{{"code":"0","msg":"","data":[{body}]}}')

    def _candles(self, call: RestCall) -> RestAnswer:
        """Answer newest first; ``after`` is older than a time."""
        listing = self._listing(call)
        if listing is None:
            return _unknown_instrument()
        seconds = _BARS.get(call.params.get("bar", "1m"))
        if seconds is None:
            return refusal("51000", "Parameter bar error", 400)
        now_ns = self._clock.now_ns()
        try:
            after = whole_number(call, "after", now_ns // _MS + 1, least=0, most=_FOREVER)
        except ValueError as error:
            return refusal("51000", f"Parameter {error} error", 400)
        end_ns = min(now_ns, after * _MS)
        first = max(0, (end_ns // NS // seconds - _PAGE) * seconds)
        price, quantity = listing.product.price_decimals, listing.product.quantity_decimals
        rows = [
            [
                str(each.start * 1_000),
                *(trimmed(p, price) for p in (each.open, each.high, each.low, each.close)),
                *([trimmed(each.volume, quantity)] * 3),
                str(int((each.start + seconds) * NS <= now_ns)),
            ]
            for each in official_candles(listing.log, seconds, first, end_ns)
            if first <= each.start < after / 1_000
        ]
        return json_answer({"code": "0", "msg": "", "data": rows[::-1][:_PAGE]})

    def _time(self, call: RestCall) -> RestAnswer:
        return json_answer(
            {"code": "0", "data": [{"ts": str(self._clock.now_ns() // _MS)}], "msg": ""}
        )


def _unknown_instrument() -> RestAnswer:
    return refusal("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
