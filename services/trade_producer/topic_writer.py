"""Appending to the topics: in order, once, with a bounded queue.

Two ways, by PROCESSING_GUARANTEE:

- ``at-least-once``: an idempotent producer. librdkafka repeats what was not acknowledged until it
  is, without end, in order and without doubling. Nothing is ever visible that is taken back.
- ``exactly-once``: transactions of a tenth of a second under a fixed ``transactional.id``, which
  fences a predecessor that is still alive somewhere. Only readers with
  ``isolation.level=read_committed`` see the difference.

Either way a failed append leaves the topic as the only truth: the caller starts again from its
end. An error that the client calls fatal (the broker fenced it) ends the process.
"""

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message
from loguru import logger

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import AppendFailedError, BrokerUnavailableError, FatalError, StoppedError
from ohlc_core.kafka.config import ClientConfig
from ohlc_core.kafka.producer import RecordProducer
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_QUEUED_RECORDS = 50_000
_QUEUED_KILOBYTES = 65_536
_TRANSACTION_SECONDS = 0.1
_LINGER_MS = 2
_COMMIT_TRY_SECONDS = 3.0
# Brokers refuse records stamped more than an hour ahead of their clock.
_MAX_AHEAD_MS = 1_800_000


Acknowledged = Callable[[int], None]
Delivered = Callable[[KafkaError | None, Message], None]


class TopicWriter:
    """Appends records of products and dead letters.

    Args:
        settings: the broker.
        names: the topics.
        transactional_id: "" for an idempotent producer.
        stop: ends waits for room in the queue.
        on_acknowledged: gets how many trades each acknowledged record held.
        now_ms: wall clock, only to keep timestamps acceptable to the broker.

    Attributes:
        appended_at: monotonic seconds of the last record of the ``trades`` topic.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        names: TopicNames,
        transactional_id: str,
        stop: threading.Event,
        *,
        on_acknowledged: Acknowledged = lambda _trades: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._names = names
        self._address = settings.kafka_broker_address
        self._startup_seconds = settings.kafka_startup_timeout_seconds
        self._is_transactional = bool(transactional_id)
        self._stop = stop
        self._on_acknowledged = on_acknowledged
        self._now_ms = now_ms
        self.appended_at = 0.0
        self._progressed = False
        self._in_transaction_since: float | None = None
        self._callbacks: dict[int, Callable[[KafkaError | None, Message], None]] = {}
        self._producer = RecordProducer(
            settings,
            _config(transactional_id),
            on_wait=self._give_up_when_stopped,
            on_error=self._note_error,
        )

    def open(self) -> None:
        """Fence a predecessor, where transactions are used.

        Raises:
            BrokerUnavailableError: the broker did not answer in time.
            StoppedError: stop was set meanwhile.
        """
        if not self._is_transactional:
            return
        deadline = time.monotonic() + self._startup_seconds
        while not self._stop.is_set():
            try:
                self._producer.client.init_transactions(_COMMIT_TRY_SECONDS)
            except KafkaException as error:
                if error.args[0].retriable() and time.monotonic() < deadline:
                    continue
                raise BrokerUnavailableError(
                    f"the broker at KAFKA_BROKER_ADDRESS={self._address} gave no transactional id "
                    f"({error.args[0].str()}); set PROCESSING_GUARANTEE=at-least-once where the "
                    "broker has no transactions"
                ) from None
            else:
                return
        raise StoppedError("stopped while waiting for the broker's transactions")

    def append(
        self,
        key: ProductKey,
        value: bytes,
        event_us: int,
        trades: int = 0,
        acknowledged: Callable[[], None] | None = None,
    ) -> None:
        """Queue a record of the ``trades`` topic; wait while the queue is full.

        Args:
            key: the product.
            value: the record.
            event_us: its event time.
            trades: how many trades it holds.
            acknowledged: called when the broker has it.

        Raises:
            AppendFailedError: an earlier append failed, or stop was set while waiting.
        """
        # Where the exchange's clock is far ahead, the record's stamp must still be acceptable.
        timestamp_ms = max(0, min(event_us // 1_000, self._now_ms() + _MAX_AHEAD_MS))
        callback = self._callback(trades)
        if acknowledged is not None:
            callback = _followed_by(acknowledged, callback)
        self._produce(self._names.trades, str(key), value, timestamp_ms, callback)
        self.appended_at = time.monotonic()

    def dead_letter(self, exchange: str, value: bytes) -> None:
        """Queue a record of the dead-letter topic.

        Raises:
            AppendFailedError: as `append`.
        """
        self._produce(self._names.trades_dlq, exchange, value, self._now_ms(), self._callback(0))

    def poll(self) -> None:
        """Serve acknowledgements; commit the transaction at its time.

        Raises:
            AppendFailedError: an append failed.
        """
        self._producer.poll()
        began = self._in_transaction_since
        if began is not None and time.monotonic() - began >= _TRANSACTION_SECONDS:
            self._commit()

    def flush(self, seconds: float) -> int:
        """Wait until everything is acknowledged; return how many records are not.

        Raises:
            AppendFailedError: an append failed.
        """
        left = self._producer.flush(seconds)
        if left == 0 and self._in_transaction_since is not None:
            self._commit()
        return left

    def abandon(self) -> None:
        """Drop what is queued; the topic is read again."""
        self._producer.abandon()

    @property
    def queued(self) -> int:
        """Records not acknowledged yet."""
        return len(self._producer)

    def has_progressed(self) -> bool:
        """Return whether anything was acknowledged since the last call."""
        progressed, self._progressed = self._progressed, False
        return progressed

    def _produce(
        self, topic: str, key: str, value: bytes, timestamp_ms: int, callback: Delivered
    ) -> None:
        self._begin()
        self._producer.send(topic, key, value, timestamp_ms, callback)

    def _give_up_when_stopped(self) -> None:
        if self._stop.is_set():
            raise AppendFailedError("stopped while the broker took no records")

    def _begin(self) -> None:
        if self._is_transactional and self._in_transaction_since is None:
            self._producer.client.begin_transaction()
            self._in_transaction_since = time.monotonic()

    def _commit(self) -> None:
        while True:
            try:
                self._producer.client.commit_transaction(_COMMIT_TRY_SECONDS)
            except KafkaException as exception:
                self._judge(exception.args[0])
            else:
                self._in_transaction_since = None
                return

    def _judge(self, error: KafkaError) -> None:
        """Return when trying to commit again makes sense."""
        if error.code() == KafkaError._FENCED:  # noqa: SLF001 - the client's own constant
            raise FatalError(
                "another trade-producer with the same products took over; stop one of them"
            )
        if error.retriable() and not self._stop.is_set():
            logger.warning("the broker has not committed yet ({})", error.str())
            return
        raise AppendFailedError(error.str())

    def _callback(self, trades: int) -> Callable[[KafkaError | None, Message], None]:
        callback = self._callbacks.get(trades)
        if callback is None:

            def callback(error: KafkaError | None, message: Message) -> None:
                if error is not None:
                    self._producer.delivered(error, message)
                else:
                    self._progressed = True
                    self._on_acknowledged(trades)

            self._callbacks[trades] = callback
        return callback

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            logger.warning(
                "no broker answers at {}: records wait, then the exchange is left unread",
                self._address,
            )
        else:
            logger.debug("broker: {}", error.str())


def _followed_by(acknowledged: Callable[[], None], callback: Delivered) -> Delivered:
    def both(error: KafkaError | None, message: Message) -> None:
        callback(error, message)
        if error is None:
            acknowledged()

    return both


def _config(transactional_id: str) -> ClientConfig:
    config: ClientConfig = {
        "queue.buffering.max.messages": _QUEUED_RECORDS,
        "queue.buffering.max.kbytes": _QUEUED_KILOBYTES,
        # A failed batch must stop what follows it, or the topic would have a gap.
        "enable.gapless.guarantee": True,
        # A live trade waits for company no longer than this; under load batches fill anyway.
        "linger.ms": _LINGER_MS,
    }
    if transactional_id:
        config["transactional.id"] = transactional_id
    else:
        # Without end: only the topic shows what became of a record that timed out.
        config["message.timeout.ms"] = 0
    return config
