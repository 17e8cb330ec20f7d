"""Records that are none of the contract's messages: counted, named and passed over.

The aggregator and the writer send them to a dead-letter topic; every other reader of a topic uses
`decoded`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from confluent_kafka import Message
from loguru import logger
from prometheus_client import Counter

from ohlc_core.errors import MalformedMessageError

T = TypeVar("T")

MALFORMED = Counter("kafka_malformed_records", "Records passed over as malformed", ["topic"])

#: More than these of one reading are counted without a line each.
_NAMED = 5


def decoded(
    messages: Iterable[Message], decode: Callable[[bytes], T]
) -> Iterator[tuple[Message, T]]:
    """Yield each message with what ``decode`` makes of its value.

    Those for which it raises MalformedMessageError, and those without a value, are counted in
    ``kafka_malformed_records_total`` and left out; the first of them are named in the log.
    """
    count = 0
    for message in messages:
        try:
            record = decode(_value(message))
        except MalformedMessageError as error:
            count += 1
            _note(message, error, count)
        else:
            yield message, record
    if count > _NAMED:
        logger.warning("{} malformed records were passed over in all", count)


def _value(message: Message) -> bytes:
    value = message.value()
    if value is None:
        raise MalformedMessageError("the record has no value")
    return bytes(value)


def _note(message: Message, error: MalformedMessageError, count: int) -> None:
    MALFORMED.labels(message.topic()).inc()
    if count <= _NAMED:
        logger.warning(
            "passed over a malformed record, {}[{}]@{}: {}",
            message.topic(),
            message.partition(),
            message.offset(),
            error,
        )
