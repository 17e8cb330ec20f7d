"""Sending what can not be written to the dead-letter topic."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message, Producer

from feature_writer.batch import Rejected
from ohlc_core.kafka.config import producer_config
from ohlc_core.messages.codec import encode
from ohlc_core.service.setting_groups import KafkaSettings

_DELIVERY_SECONDS = 30


class UndeliveredError(RuntimeError):
    """The dead-letter topic did not take every record; sending them again may succeed."""


class DeadLetterTopic:
    """The dead-letter topic; the connection is made at the first record."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._config = producer_config(settings) | {
            "message.timeout.ms": _DELIVERY_SECONDS * 1_000,
            "log_level": 0,
        }
        self._topic = topic
        self._producer: Producer | None = None

    def send(self, rejected: Sequence[Rejected]) -> None:
        """Send ``rejected`` and wait until the broker has them all.

        Raises:
            UndeliveredError: some were not taken in time; all may be sent again.
        """
        if not rejected:
            return
        producer = self._producer = self._producer or Producer(self._config)
        errors: list[str] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                errors.append(error.str())

        for each in rejected:
            try:
                producer.produce(
                    self._topic,
                    key=each.key,
                    value=encode(each.letter),
                    timestamp=each.timestamp_ms,
                    on_delivery=delivered,
                )
            except BufferError:
                errors.append("the producer's queue is full")
                break
            producer.poll(0)
        left = producer.flush(_DELIVERY_SECONDS + 1)
        if errors or left:
            # An idempotent producer that lost a record may refuse all later ones.
            self._producer = None
            raise UndeliveredError(
                f"{self._topic} did not take a record: {errors[0] if errors else 'timed out'}"
            )
