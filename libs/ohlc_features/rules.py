"""Which candle of several stands for a window, and which can be kept at all. Pure rules."""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import MAX_EXPONENT
from ohlc_core.domain.interval import Interval

_TEXTS = ("exchange", "product_id", "first_trade_id", "last_trade_id")
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "buy_volume")
_COUNTS = ("trade_count", "revision")


class OnlineKey(NamedTuple):
    """What the newest row is kept for."""

    exchange: str
    product_id: str
    candle_interval: str


class HistoryKey(NamedTuple):
    """What every row of the history is kept for; ``window_start`` in ms."""

    exchange: str
    product_id: str
    candle_interval: str
    window_start: int


def online_key(candle: Candle) -> OnlineKey:
    """Return the key of the newest row ``candle`` may become."""
    return OnlineKey(candle.exchange, candle.product_id, candle.interval)


def history_key(candle: Candle) -> HistoryKey:
    """Return the key of ``candle`` in the history."""
    return HistoryKey(candle.exchange, candle.product_id, candle.interval, candle.window_start_ms)


def replaces(new: Candle, old: Candle) -> bool:
    """Tell whether ``new`` takes the place of ``old``, a candle of the same window.

    The higher revision does. Of equal revisions the complete one does; equal in both, the one
    that came later, so that repeating a write changes nothing and repeating a backfill repairs.
    """
    if new.revision != old.revision:
        return new.revision > old.revision
    return new.complete or not old.complete


def newest_revisions(candles: Iterable[Candle]) -> dict[HistoryKey, Candle]:
    """Return the one candle that stands for each window."""
    newest: dict[HistoryKey, Candle] = {}
    for candle in candles:
        key = history_key(candle)
        old = newest.get(key)
        if old is None or replaces(candle, old):
            newest[key] = candle
    return newest


def newest_windows(candles: Iterable[Candle]) -> dict[OnlineKey, Candle]:
    """Return the candle of each key's newest window; ``candles`` holds each window once."""
    newest: dict[OnlineKey, Candle] = {}
    for candle in candles:
        key = online_key(candle)
        old = newest.get(key)
        if old is None or candle.window_start_ms > old.window_start_ms:
            newest[key] = candle
    return newest


def reason_to_reject(candle: Candle) -> str | None:
    """Return why no store could keep ``candle``, or None when every store can."""
    return _wrong_text(candle) or _wrong_window(candle) or _wrong_number(candle)


def _wrong_text(candle: Candle) -> str | None:
    for name in _TEXTS:
        text = getattr(candle, name)
        if text == "":
            return f"{name} is empty"
        if text is not None and "\0" in text:
            return f"{name} holds a NUL character"  # Postgres has no room for one
    return None


def _wrong_window(candle: Candle) -> str | None:
    try:
        interval_us = _interval_us(candle.interval)
    except ValueError as error:
        return str(error)
    start, end = candle.window_start_ms, candle.window_end_ms
    if not 0 <= start < 1 << 53:
        return "window_start_ms is not a time since the Unix epoch"
    if (end - start) * 1_000 != interval_us:
        return "window_end_ms is not window_start_ms plus the interval"
    if start * 1_000 % interval_us:
        return "window_start_ms is not a multiple of the interval"
    return None


@lru_cache(maxsize=256)
def _interval_us(text: str) -> int:
    return Interval.parse(text).us


def _wrong_number(candle: Candle) -> str | None:
    for name in _NUMBERS:
        number: Decimal | None = getattr(candle, name)
        if number is None:
            continue
        # Not decimals.in_range: more digits than a double has are no reason to refuse a row.
        if not number.is_finite() or (number and number.adjusted() > MAX_EXPONENT):
            return f"{name} is no number in range"
    for name in _COUNTS:
        if not 0 <= getattr(candle, name) < 1 << 31:
            return f"{name} is negative or out of range"
    return None
