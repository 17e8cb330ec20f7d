"""Where each product's stream begins, by START_FROM and by what the topic already holds."""

from collections.abc import Sequence
from typing import NamedTuple

from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import Position
from trade_producer.settings import start_moment_us
from trade_producer.topic_tail import Tail


class StartPlan(NamedTuple):
    """Where one product's stream begins.

    Exactly one of resume_at, resume_from_us and begin_us is set.

    Attributes:
        resume_at: behind this trade.
        recent_ids: ids of the trades that end the topic, where ids reveal no hole.
        resume_from_us: a start that is in the topic already and has had no trade.
        begin_us: a new beginning.
    """

    resume_at: Position | None = None
    resume_from_us: int | None = None
    begin_us: int | None = None
    recent_ids: tuple[int, ...] = ()


def needs_clock(start_from: str, keys: Sequence[ProductKey], tails: dict[ProductKey, Tail]) -> bool:
    """Tell whether the exchange's present time decides where a product begins."""
    if start_from == "last":
        return any(key not in tails for key in keys)
    return start_moment_us(start_from) is None


def plan_start(
    start_from: str, tail: Tail | None, intervals: Sequence[Interval], now_us: int
) -> StartPlan:
    """Return where a product's stream begins.

    A beginning that lies behind the topic's end is a resumption: the topic never goes back.

    Args:
        start_from: the setting START_FROM.
        tail: where the product's records end; None: it has none.
        intervals: the candles' intervals; the longest one's current window is ``window``.
        now_us: the exchange's time.
    """
    moment = _moment_us(start_from, tail is None, intervals, now_us)
    if tail is None:
        return StartPlan(begin_us=moment)
    ends_us = tail.position.timestamp_us if tail.position is not None else tail.from_us or 0
    if moment is not None and moment > ends_us:
        logger.warning(
            "START_FROM={} skips what came after the topic's end; a start record says so",
            start_from,
        )
        return StartPlan(begin_us=moment)
    if tail.position is not None:
        return StartPlan(resume_at=tail.position, recent_ids=tuple(tail.recent_ids))
    return StartPlan(resume_from_us=tail.from_us)


def _moment_us(
    start_from: str, is_empty: bool, intervals: Sequence[Interval], now_us: int
) -> int | None:
    if start_from == "now":
        return now_us
    if start_from == "window" or (start_from == "last" and is_empty):
        return max(intervals, key=lambda interval: interval.us).window_start(now_us)
    return start_moment_us(start_from)
