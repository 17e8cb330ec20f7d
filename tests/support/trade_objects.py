"""The ``trades`` record as 0.1 wrote it."""

import json
from collections.abc import Sequence

from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.trade import Trade


def trade_objects(exchange: str, product_id: str, source: str, trades: Sequence[Trade]) -> bytes:
    """Return the bytes that 0.1 appended for these trades, one object per trade."""
    body = ",".join(
        f'{{"trade_id":{json.dumps(each.trade_id)},"price":{canonical(each.price)}'
        f',"quantity":{canonical(each.quantity)},"side":"{each.side}"'
        f',"timestamp_us":{each.timestamp_us}}}'
        for each in trades
    )
    return (
        f'{{"type":"trades","exchange":"{exchange}","product_id":"{product_id}"'
        f',"source":"{source}","trades":[{body}]}}'
    ).encode()
