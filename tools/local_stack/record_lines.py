"""A topic's record as lines for a person: one a trade, any other record as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import MalformedMessageError, decode_trades_topic
from ohlc_core.messages.records import TradesMessage

_TRADES = b'{"type":"trades"'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def record_lines(value: bytes) -> Iterator[str]:
    """Yield the lines that show a record."""
    if value.startswith(_TRADES):
        try:
            message = decode_trades_topic(value)
        except MalformedMessageError:
            pass  # shown as it is
        else:
            if isinstance(message, TradesMessage):
                for trade in message.trades:
                    yield _trade_line(message, trade)
                return
    yield value.decode(errors="replace")


def _trade_line(message: TradesMessage, trade: Trade) -> str:
    return (
        f"{_time(trade.timestamp_us)} {message.exchange}:{message.product_id}"
        f" {trade.side} {canonical(trade.quantity)} at {canonical(trade.price)}"
        f" id {trade.trade_id} ({message.source})"
    )


def _time(timestamp_us: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=timestamp_us)
    except OverflowError:
        return f"{timestamp_us} us"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
