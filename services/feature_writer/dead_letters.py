"""Sending what cannot be written to the dead-letter topic."""

from collections.abc import Sequence

from feature_writer.batch import Rejected
from ohlc_core.errors import AppendFailedError, RecordTooLargeError
from ohlc_core.kafka.producer import RecordProducer
from ohlc_core.messages.dead_letters import MAX_BYTES, dead_letter_key, encode_dead_letter
from ohlc_core.service.setting_groups import KafkaSettings

_DELIVERY_SECONDS = 30
_MIN_BYTES = 4_000


class DeadLetterTopic:
    """The dead-letter topic; the connection is made at the first record."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: RecordProducer | None = None
        self._max_bytes = MAX_BYTES

    def send(self, rejected: Sequence[Rejected]) -> None:
        """Send ``rejected`` and wait until the broker has them all.

        Raises:
            AppendFailedError: some were not taken in time; all may be sent again.
            RecordTooLargeError: the topic takes no record of this size.
        """
        if not rejected:
            return
        producer = self._producer = self._producer or RecordProducer(
            self._settings,
            {"message.timeout.ms": _DELIVERY_SECONDS * 1_000},
            on_wait=self._give_up,
            too_large=f"raise max.message.bytes of {self._topic}",
        )
        try:
            for each in rejected:
                value = encode_dead_letter(each.letter, self._max_bytes)
                producer.send(self._topic, dead_letter_key(each.key), value, each.timestamp_ms)
                producer.poll()
            if producer.flush(_DELIVERY_SECONDS + 1):
                raise AppendFailedError(f"{self._topic}: no answer in time")
        except (AppendFailedError, RecordTooLargeError) as error:
            # An idempotent producer that lost a record may refuse all later ones.
            self._producer = None
            if not isinstance(error, RecordTooLargeError) or self._max_bytes < _MIN_BYTES:
                raise
            # The topic's own limit is lower than a broker's usual one.
            self._max_bytes //= 4
            self.send(rejected)

    def _give_up(self) -> None:
        raise AppendFailedError(f"{self._topic}: the producer's queue is full")
