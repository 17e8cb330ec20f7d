"""The loop: read a batch, keep it, then commit its offsets.

Everything here is at-least-once, and every write is an upsert: whatever is read twice after a
crash or a rebalance leaves the store as it was.
"""

import random
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from loguru import logger

from feature_writer import metrics
from feature_writer.batch import Batch, Rejected
from feature_writer.consumer import CandleConsumer
from feature_writer.dead_letters import DeadLetterTopic
from feature_writer.records import read_record
from feature_writer.settings import WriterSettings
from ohlc_core.domain.candle import Candle
from ohlc_core.errors import AppendFailedError, FatalError
from ohlc_core.service.health import Health
from ohlc_core.service.status import Status
from ohlc_features.base import FeatureStore
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError

_POLL_SECONDS = 0.1
_POLL_RECORDS = 1_000
_FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 10.0
_LAST_FLUSH_SECONDS = 5.0
_LOOK_SECONDS = 5.0


class FeatureWriter:
    """Carries candles from the topic to the store.

    While the store does not take a batch, the partitions are paused and the batch is kept:
    nothing is dropped, nothing more is read, and polling keeps the place in the group.
    """

    def __init__(
        self,
        settings: WriterSettings,
        consumer: CandleConsumer,
        store: FeatureStore,
        dead_letters: DeadLetterTopic,
        *,
        health: Health,
        status: Status | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._store = store
        self._dead_letters = dead_letters
        self._health = health
        self._status = status or Status()
        self._monotonic = monotonic
        self._batch = Batch()
        self._failures = 0
        self._failing_since = 0.0
        self._retry_at = 0.0
        self._look_at = 0.0
        self._is_leaving = False
        self._newest_end_ms = 0

    def run(self, stop: threading.Event) -> None:
        """Write until ``stop`` is set, then write and commit what was read, and leave the group.

        Raises:
            FatalError: the store or the broker refuses for good, or for WRITE_RETRY_SECONDS.
        """
        self._consumer.subscribe(self)
        try:
            while not stop.is_set():
                self._step()
            self._finish()
        finally:
            self._is_leaving = True
            self._consumer.close()

    def before_revoke(self) -> None:
        """Keep and commit what was read while the partitions are still ours."""
        if not self._is_leaving:
            self._flush()

    def gone(self, partitions: list[int]) -> None:
        """Commit nothing more for ``partitions``."""
        for partition in partitions:
            self._batch.forget(partition)
            metrics.forget_lag(partition)

    def _step(self) -> None:
        if self._failures:
            self._consumer.pause()  # again each time, for what a rebalance may have brought
        self._read()
        now = self._monotonic()
        size, seconds = self._settings.write_batch_size, self._settings.write_batch_seconds
        if self._failures:
            self._health.progress("reading")  # paused on purpose: `store` is what stands still
            if now >= self._retry_at:
                self._flush()
        elif self._batch.is_due(now, size, seconds):
            self._flush()
        elif self._batch.since is None:
            self._health.progress("store")

    def _read(self) -> None:
        room = max(1, self._settings.write_batch_size - len(self._batch.candles))
        records, ends = self._consumer.read(min(room, _POLL_RECORDS), _POLL_SECONDS)
        now = self._monotonic()
        for record in records:
            self._take(read_record(record))
            self._batch.advance(record.partition() or 0, (record.offset() or 0) + 1, now)
        for partition, end in ends.items():
            self._batch.advance(partition, end, now)
        metrics.BUFFERED.set(len(self._batch.candles))
        self._health.progress("poll")
        self._note_reading(now, has_read=bool(records))

    def _note_reading(self, now: float, *, has_read: bool) -> None:
        """Tell health that records come, or that there are none: polling alone proves neither."""
        if has_read:
            self._health.progress("reading")
            self._look_at = now + _LOOK_SECONDS
        elif now >= self._look_at and not self._failures:
            self._look_at = now + _LOOK_SECONDS
            try:
                has_unread = self._consumer.has_unread()
            except KafkaException as error:
                logger.debug("the broker does not tell what is unread: {}", error)
                return
            if not has_unread:
                self._health.progress("reading")

    def _take(self, record: Candle | Rejected) -> None:
        if isinstance(record, Rejected):
            self._batch.rejected.append(record)
            return
        metrics.READ.inc()
        self._batch.candles.append(record)

    def _flush(self) -> bool:
        """Keep the batch and commit it; return whether nothing is left to do."""
        try:
            self._keep()
            self._commit()
        except (StoreUnavailableError, AppendFailedError, KafkaException) as error:
            self._hold(error)
            return False
        except StoreRejectedError as error:
            raise FatalError(str(error)) from None
        if self._failures:
            self._failures = 0
            self._consumer.resume()
            metrics.HOLDING.set(0)
            logger.info("the batch is kept; reading goes on")
        self._health.progress("store")
        self._status.say("live", "Live: everything read is in the store")
        return True

    def _keep(self) -> None:
        batch = self._batch
        self._dead_letters.send(batch.rejected)
        for each in batch.rejected:
            metrics.DEAD_LETTERS.labels(each.letter.reason).inc()
            logger.warning(
                "rejected {} {}[{}]@{}: {}",
                each.letter.reason,
                each.letter.topic,
                each.letter.partition,
                each.letter.offset,
                each.letter.detail,
            )
        batch.rejected.clear()
        if batch.candles:
            with metrics.WRITE_SECONDS.time():
                left_out = self._store.write(batch.candles)
            metrics.kept(batch.candles, is_live=not self._settings.run_id)
            newest = max(candle.window_end_ms for candle in batch.candles)
            self._newest_end_ms = max(newest, self._newest_end_ms)
            metrics.WRITTEN.inc(len(batch.candles) - left_out)
            metrics.SKIPPED.labels("incomplete").inc(left_out)
            batch.candles.clear()
            metrics.BATCHES.inc()
            metrics.BUFFERED.set(0)
            self._status.progress(newest_window_end_ms=self._newest_end_ms)

    def _commit(self) -> None:
        offsets = self._batch.offsets(self._consumer.topic)
        if offsets:
            self._consumer.commit(offsets)
            for each in offsets:
                metrics.set_lag(each.partition, self._consumer.lag(each))
        self._batch.committed()

    def _hold(self, error: Exception) -> None:
        """Leave the batch for a later attempt, unless it was tried for long enough."""
        now = self._monotonic()
        if not self._failures:
            self._failing_since = now
        failing_seconds = now - self._failing_since
        if failing_seconds > self._settings.write_retry_seconds:
            raise FatalError(
                f"gave up after {failing_seconds:.0f} s (WRITE_RETRY_SECONDS), nothing of the "
                f"batch is committed: {error}"
            )
        backoff = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**self._failures)
        wait = backoff * random.uniform(0.5, 1)
        if isinstance(error, StoreUnavailableError) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        self._failures += 1
        self._retry_at = now + wait
        metrics.HOLDING.set(1)
        metrics.RETRIES.labels(type(error).__name__).inc()
        self._status.say(
            "holding",
            f"The store takes no writes; the batch waits, next try in {wait:.1f} s: {error}",
        )
        logger.warning("not kept, reading is paused, next try in {:.1f} s: {}", wait, error)

    def _finish(self) -> None:
        """Keep what was read, with a few attempts."""
        deadline = self._monotonic() + _LAST_FLUSH_SECONDS
        while not self._flush():
            if self._monotonic() > deadline:
                raise FatalError("stopped with a batch that is not in the store; it is read again")
            self._consumer.pause()
            self._consumer.read(1, _POLL_SECONDS)
