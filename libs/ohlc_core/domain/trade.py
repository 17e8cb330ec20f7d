"""A trade, the key of its product, and the exchange's order of trades."""

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from ohlc_core.domain.decimals import LARGEST, MAX_EXPONENT, finest_exponent

#: Event times, microseconds, are from 2009 on, when the first exchange opened, and below a limit.
EARLIEST_US = 1_230_768_000_000_000
TIME_LIMIT = 1 << 53

Side = Literal["buy", "sell", "unknown"]


class ProductKey(NamedTuple):
    """An exchange and one of its products; written ``kraken:BTC/USD`` as a record key."""

    exchange: str
    product_id: str

    def __str__(self) -> str:
        return f"{self.exchange}:{self.product_id}"

    @classmethod
    def parse(cls, text: str) -> "ProductKey":
        """Read ``<exchange>:<product_id>``.

        Raises:
            ValueError: there is no colon, or one side of it is empty.
        """
        exchange, colon, product_id = text.partition(":")
        if not (exchange and colon and product_id):
            raise ValueError(f"record key was {text!r}; expected <exchange>:<product_id>")
        return cls(exchange, product_id)


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One execution on an exchange, as the exchange reported it.

    Attributes:
        trade_id: the exchange's own id, or a replayer's stable one where the source has none.
        price: in the product's quote currency, exactly as sent.
        quantity: in the product's base currency, exactly as sent.
        side: what the taker did; unknown where the source does not say.
        timestamp_us: event time, microseconds since the Unix epoch, UTC.
    """

    trade_id: str
    price: Decimal
    quantity: Decimal
    side: Side
    timestamp_us: int


def reason_to_reject(trade: Trade) -> str | None:
    """Return why ``trade`` cannot be part of any candle, or None when it can."""
    if not trade.trade_id:
        return "trade_id is empty"
    price, quantity = trade.price, trade.quantity
    if not (price.is_finite() and 0 < price <= LARGEST):
        return "price is not a positive number in range"
    if not (quantity.is_finite() and 0 <= quantity <= LARGEST):
        return "quantity is negative or out of range"
    finest = finest_exponent(quantity)
    # Bounding the product bounds the price, and shows in a sum of products as well.
    if finest < -MAX_EXPONENT or finest_exponent(price) + finest < -2 * MAX_EXPONENT:
        return "price or quantity has too many decimal places"
    if not EARLIEST_US <= trade.timestamp_us < TIME_LIMIT:
        return "timestamp_us is not a time since 2009"
    return None
