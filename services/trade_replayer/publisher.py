"""Writing to the run's topics: in order per product, bounded in memory, never silently lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import AppendFailedError, FatalError
from ohlc_core.kafka.producer import RecordProducer
from ohlc_core.messages.codec import encode
from ohlc_core.messages.records import DeadLetter, TradesTopicMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_history.trade_table import RejectedRow
from trade_replayer.records import TradesRecord

# librdkafka's own bound is 1 GB; a replay would fill it whenever the broker is slower.
_QUEUE_KBYTES = 32 * 1024
_FLUSH_SECONDS = 60.0


class Publisher:
    """The run's idempotent producer; safe to share between the threads of several products.

    Args:
        settings: how to reach the broker.
        trades_topic, dead_letter_topic: where to.
        on_wait: called while the broker is the slower part, so that waiting counts as life.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        trades_topic: str,
        dead_letter_topic: str,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._trades_topic = trades_topic
        self._dead_letter_topic = dead_letter_topic
        self._producer = RecordProducer(
            settings,
            {
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "linger.ms": 20,
                "batch.size": 1_000_000,
            },
            on_wait=on_wait,
            too_large="lower REPLAY_BATCH, or raise the topic's max.message.bytes",
        )

    def trades(self, key: ProductKey, record: TradesRecord) -> None:
        """Append one ``trades`` record."""
        self._append(self._trades_topic, key, record.value, record.last_timestamp_us // 1_000)

    def message(self, key: ProductKey, message: TradesTopicMessage, timestamp_us: int) -> None:
        """Append a ``start``, ``gap`` or ``watermark``."""
        self._append(self._trades_topic, key, encode(message), timestamp_us // 1_000)

    def dead_letter(self, key: ProductKey, source: str, row: RejectedRow, now_ms: int) -> None:
        """Append a rejected row to the dead-letter topic."""
        letter = DeadLetter("malformed", row.detail, source, -1, -1, row.payload)
        self._append(self._dead_letter_topic, key, encode(letter), now_ms)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything.

        Raises:
            FatalError: it did not, or refused a record.
        """
        with _as_fatal():
            left = self._producer.flush(_FLUSH_SECONDS)
        if left:
            raise FatalError(
                f"the broker did not acknowledge {left} records within {_FLUSH_SECONDS:g} s; "
                "the same command goes on from the last acknowledged one"
            )

    def _append(self, topic: str, key: ProductKey, value: bytes, timestamp_ms: int) -> None:
        with _as_fatal():
            self._producer.send(topic, str(key), value, timestamp_ms)
            self._producer.poll()


@contextmanager
def _as_fatal() -> Iterator[None]:
    try:
        yield
    except AppendFailedError as error:
        raise FatalError(
            f"the broker refused a record of {error}; the same command goes on from the last "
            "acknowledged one"
        ) from None
