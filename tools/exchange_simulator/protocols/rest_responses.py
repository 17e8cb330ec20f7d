"""What the REST sides of several exchanges share."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from exchange_simulator.formatting import NS
from exchange_simulator.market.trade_log import Row, TradeLog
from exchange_simulator.protocols.protocol import RestAnswer, RestCall

_JSON = {"Content-Type": "application/json"}


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> RestAnswer:
    """Return an answer whose body is ``value`` as JSON."""
    return text_answer(json.dumps(value, separators=(",", ":")), status, headers)


def text_answer(
    body: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> RestAnswer:
    """Return an answer whose body is JSON already."""
    return RestAnswer(status, body.encode(), {**_JSON, **(headers or {})})


def whole_number(call: RestCall, name: str, default: int, *, least: int, most: int) -> int:
    """Return a parameter.

    Raises:
        ValueError: it is no whole number, or out of its range.
    """
    value = int(call.params.get(name, default))
    if not least <= value <= most:
        raise ValueError(name)
    return value


def moment_ns(text: str) -> int:
    """Return the nanoseconds of an ISO time or of Unix seconds.

    Raises:
        ValueError: the text is neither.
    """
    if text.isdecimal():
        return int(text) * NS
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * NS


def shown(log: TradeLog, call: RestCall) -> int:
    """Return the index behind the newest trade that this call may show."""
    return max(0, len(log) - call.hide_newest)


def oldest(log: TradeLog, start: int, stop: int, count: int) -> Iterator[Row]:
    """Yield the first ``count`` shown trades in ``[start, stop)``."""
    for number, row in enumerate(log.rows(start, stop), start=1):
        yield row
        if number == count:
            return
