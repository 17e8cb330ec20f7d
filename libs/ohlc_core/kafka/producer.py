"""Appending records: in order, with a bounded queue, and no failure unseen."""

import threading
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ohlc_core.errors import AppendFailedError, FatalError, RecordTooLargeError
from ohlc_core.kafka.config import ClientConfig, producer_config
from ohlc_core.service.setting_groups import KafkaSettings

_POLL_SECONDS = 0.1
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

Delivered = Callable[[KafkaError | None, Message], None]


def _nothing() -> None:
    pass


class RecordProducer:
    """An idempotent producer that stops at its first failure; threads may share it.

    Once a record was not appended, what became of those behind it is unknown: every later call
    raises the same error, and the caller starts again from what the topic holds.

    Args:
        settings: the broker.
        config: additions to the client's configuration.
        on_wait: called while the queue is full; may raise to end the wait.
        on_error: called with the client's own errors (a lost connection), which pass.
        too_large: what to do about a record the broker is too small for.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        config: ClientConfig | None = None,
        *,
        on_wait: Callable[[], None] = _nothing,
        on_error: Callable[[KafkaError], None] = lambda _error: None,
        too_large: str = "raise message.max.bytes of the broker or topic",
    ) -> None:
        self._on_wait = on_wait
        self._on_error = on_error
        self._too_large = too_large
        self._failure: AppendFailedError | FatalError | None = None
        self._lock = threading.Lock()
        defaults: ClientConfig = {"log_level": 0}
        self.client = Producer(
            producer_config(settings) | defaults | (config or {}) | {"error_cb": self._note_error}
        )

    def __len__(self) -> int:
        """Return how many records are not acknowledged yet."""
        return len(self.client)

    def send(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes,
        timestamp_ms: int,
        on_delivery: Delivered | None = None,
    ) -> None:
        """Queue a record; wait while the queue is full.

        Args:
            topic, key, value, timestamp_ms: the record; times before 1970 become 0.
            on_delivery: a callback of one's own, called by `poll`, in place of `delivered`;
                it passes failures on to `delivered`.

        Raises:
            AppendFailedError: this record or an earlier one was not appended.
            RecordTooLargeError: the broker takes no record of this size.
            FatalError: the client gave up for good.
        """
        callback = on_delivery or self.delivered
        while True:
            self.raise_failure()
            try:
                self.client.produce(
                    topic, value, key, timestamp=max(0, timestamp_ms), on_delivery=callback
                )
            except BufferError:
                self._on_wait()
                self._serve(_POLL_SECONDS)
            except KafkaException as error:
                # What made it give up says more than that it did.
                self._serve(_POLL_SECONDS)
                self._fail(error.args[0], topic, len(value))
            else:
                return

    def poll(self) -> None:
        """Serve acknowledgements.

        Raises:
            AppendFailedError, RecordTooLargeError: a record was not appended.
        """
        self._serve(0)
        self.raise_failure()

    def flush(self, seconds: float) -> int:
        """Wait until everything is acknowledged; return how many records are not.

        Raises:
            AppendFailedError, RecordTooLargeError: a record was not appended.
        """
        left = 0
        try:
            left = self.client.flush(seconds)
        except KafkaException as error:
            self._fail(error.args[0], "", 0)
        self.raise_failure()
        return left

    def abandon(self) -> None:
        """Drop what is queued; what became of it only the topic shows."""
        self.client.purge()
        with suppress(KafkaException):  # why the client gave up was raised already
            self.client.poll(0)

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Keep the first failure."""
        if error is not None:
            self._fail(error, message.topic(), len(message.value() or b""))

    def raise_failure(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _serve(self, seconds: float) -> None:
        try:
            self.client.poll(seconds)
        except KafkaException as error:  # the client raises what made it give up
            self._fail(error.args[0], "", 0)

    def _fail(self, error: KafkaError, topic: str, size: int) -> None:
        failure: AppendFailedError | FatalError
        if error.code() in _TOO_LARGE:
            failure = RecordTooLargeError(
                f"the broker takes no record of {size:,} bytes in topic {topic}; {self._too_large}"
            )
        elif error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            failure = self._gave_up(error)
        else:
            failure = AppendFailedError(f"{topic}: {error.str()}")
        with self._lock:
            self._failure = self._failure or failure

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            # What made it fatal was delivered first, if it was a record.
            self._failure = self._failure or self._gave_up(error)
        self._on_error(error)

    def _gave_up(self, error: KafkaError) -> FatalError:
        reason = error.str()
        if "size too large" in reason:
            return RecordTooLargeError(
                f"the broker takes no record of this size ({reason}); {self._too_large}"
            )
        return FatalError(
            f"the broker ended this producer's session for good ({reason}); started again, it "
            "goes on from the topic's end"
        )
