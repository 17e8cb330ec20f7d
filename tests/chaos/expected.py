"""The candles that must be there, from the exchange's trades alone.

Shares no code with the product: text, rounding, windows and completeness are written here from
the rules (docs/messages.md), with fractions instead of decimals.
"""

from fractions import Fraction
from typing import NamedTuple

from support.trades_topic import Sold

SECONDS = {"1s": 1, "10s": 10, "1m": 60}


def plain(number: Fraction) -> str:
    """Return a number that has an end in decimals, without zeros behind."""
    digits = 0
    while (number * 10**digits).denominator != 1:
        digits += 1
        if digits > 400:
            raise ValueError(f"{number} has no end")
    whole, rest = divmod(int(number * 10**digits), 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


def rounded(number: Fraction, digits: int = 12) -> Fraction:
    """Round to significant digits; a tie goes to the even one."""
    exponent = 0
    while number * Fraction(10) ** -exponent >= 10:
        exponent += 1
    while number * Fraction(10) ** -exponent < 1:
        exponent -= 1
    unit = Fraction(10) ** (exponent - digits + 1)
    return round(number / unit) * unit


def candle_text(key: tuple[str, str, str], start_us: int, trades: list[Sold]) -> str:
    """Return a candle's record up to ``complete``."""
    exchange, product, interval = key
    volume = sum((each.quantity for each in trades), Fraction())
    value = sum((each.price * each.quantity for each in trades), Fraction())
    bought = sum((each.quantity for each in trades if each.bought), Fraction())
    prices = [each.price for each in trades]
    numbers = (trades[0].price, max(prices), min(prices), trades[-1].price, volume)
    return _text(
        (exchange, product, interval),
        start_us,
        [*map(plain, numbers), plain(rounded(value / volume)), str(len(trades)), plain(bought)],
        (f'"{trades[0].trade_id}"', f'"{trades[-1].trade_id}"'),
    )


def flat_text(key: tuple[str, str, str], start_us: int, close: Fraction) -> str:
    """Return the record of a window without trades, up to ``complete``."""
    price = plain(close)
    numbers = [price, price, price, price, "0", price, "0", "0"]
    return _text(key, start_us, numbers, ("null", "null"))


_NAMES = ("open", "high", "low", "close", "volume", "vwap", "trade_count", "buy_volume")


def _text(
    key: tuple[str, str, str], start_us: int, numbers: list[str], ids: tuple[str, str]
) -> str:
    exchange, product, interval = key
    start_ms = start_us // 1_000
    fields = ",".join(f'"{name}":{text}' for name, text in zip(_NAMES, numbers, strict=True))
    return (
        f'{{"type":"candle","exchange":"{exchange}","product_id":"{product}",'
        f'"interval":"{interval}","window_start_ms":{start_ms},'
        f'"window_end_ms":{start_ms + SECONDS[interval] * 1_000},{fields},'
        f'"first_trade_id":{ids[0]},"last_trade_id":{ids[1]},'
    )


class Expected(NamedTuple):
    """What one product and interval must have.

    Attributes:
        texts: by window start (us): the record up to ``complete``.
        touched: window starts that a gap touches.
        step: the interval, in us.
    """

    texts: dict[int, str]
    touched: set[int]
    step: int


def expected_candles(
    key: tuple[str, str, str],
    trades: list[Sold],
    from_us: int,
    until_us: int,
    gaps: list[tuple[int, int]],
) -> Expected:
    """Return the candles of a stream that began at ``from_us``.

    Args:
        key: exchange, product, interval.
        trades: what the exchange shows of the product, from ``from_us`` on.
        from_us: the stream's start.
        until_us: no window that ends later is made.
        gaps: first and last id of each declared gap.
    """
    step = SECONDS[key[2]] * 1_000_000
    by_window: dict[int, list[Sold]] = {}
    for each in trades:
        by_window.setdefault(each.time_us // step * step, []).append(each)
    texts: dict[int, str] = {}
    close: Fraction | None = None
    for start in range(min(by_window, default=until_us), until_us - step + 1, step):
        if start in by_window:
            texts[start] = candle_text(key, start, by_window[start])
            close = by_window[start][-1].price
        elif close is not None:
            texts[start] = flat_text(key, start, close)
    touched = {start for start in texts if start < from_us}
    for first, last in gaps:
        before = [each.time_us for each in trades if each.trade_id < first]
        behind = [each.time_us for each in trades if each.trade_id > last]
        begin = max(before) // step * step if before else 0
        end = min(behind) // step * step if behind else until_us
        touched |= {start for start in texts if begin <= start <= end}
    return Expected(texts, touched, step)
