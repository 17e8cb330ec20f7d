"""The exchange's order of trades, which decides open and close.

By trade id where the exchange's ids are sequential: the same trade's REST and websocket stamps
can differ by a microsecond, so time alone would break parity. Else by (timestamp, id). Ids that a
replayer made for a source without any (``<timestamp_us>-<ordinal>``) order by their two numbers.
"""

import re

OrderKey = tuple[int, int, str]

#: Numeric ids have up to so many digits, and are below this.
MAX_ID_DIGITS = 19
MAX_ID = 10**MAX_ID_DIGITS

_MADE_ID = re.compile(r"([0-9]{1,19})-([0-9]{1,12})", re.ASCII)


def is_number(trade_id: str) -> bool:
    """Return whether the id is a plain decimal number of up to 19 digits."""
    return len(trade_id) <= MAX_ID_DIGITS and trade_id.isascii() and trade_id.isdecimal()


def order_key(trade_id: str, timestamp_us: int, *, sequential: bool) -> OrderKey:
    """Return what sorts the trades of one product into the exchange's order."""
    if is_number(trade_id):
        number = int(trade_id)
        return (number, 0, "") if sequential else (timestamp_us, number, "")
    made = _MADE_ID.fullmatch(trade_id)
    if made is not None:
        return (int(made[1]), int(made[2]), "")
    return (timestamp_us, 0, trade_id)
