"""The loop: read what is there, keep it, then commit the positions read.

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
from feature_writer.dead_letters import DeadLetterTopic
from feature_writer.patient_store import PatientStore
from feature_writer.records import read_record
from feature_writer.settings import WriterSettings
from ohlc_core.domain.candle import Candle
from ohlc_core.errors import AppendFailedError, FatalError, TopicUnreadableError
from ohlc_core.kafka.member import GroupMember
from ohlc_core.service.health import Health
from ohlc_core.service.status import Status
from ohlc_features.errors import StoreLostError, StoreRejectedError, StoreUnavailableError

_POLL_SECONDS = 0.1
_POLL_RECORDS = 1_000
_FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 10.0
_LAST_FLUSH_SECONDS = 5.0
_LOOK_SECONDS = 5.0
# Ends of transactions alone are committed this often, records at once.
_ENDS_SECONDS = 0.5

#: Failures that pass: the batch is kept and tried again.
_PASSING = (StoreUnavailableError, AppendFailedError, TopicUnreadableError, KafkaException)


class FeatureWriter:
    """Carries candles from the topic to the store.

    It writes whenever it has read all there is, or WRITE_BATCH_SIZE candles: alone when few come,
    many at once when the store is the slower part. While the store does not take a batch, reading
    is paused and the batch is kept: nothing is dropped, nothing more is read, and polling keeps
    the place in the group.
    """

    def __init__(
        self,
        settings: WriterSettings,
        consumer: GroupMember,
        store: PatientStore,
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
        self._has_drained = False
        self._failures = 0
        self._failing_since = 0.0
        self._retry_at = 0.0
        self._look_at = 0.0
        self._commit_ends_at = 0.0
        self._is_store_lost = False
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

    # --- membership --------------------------------------------------------------------------

    def before_revoke(self) -> None:
        """Keep and commit what was read while the partitions are still ours."""
        if not self._is_leaving:
            self._flush()

    def gone(self, partitions: list[int]) -> None:
        """Show nothing more of ``partitions``; whoever reads them writes the same rows."""
        for partition in partitions:
            metrics.forget_lag(partition)

    def removed(self, partition: int, first: int, end: int) -> None:
        """Say which candles the topic lost before they were read."""
        metrics.REMOVED.inc(end - first)
        logger.error(
            "{}[{}]: offsets {} to {} ({} records) were removed before they were read, as the "
            "topic keeps TOPIC_RETENTION_BYTES only; their candles are missing in the store: run "
            "make backfill for the time this writer was behind, and raise TOPIC_RETENTION_BYTES",
            self._consumer.topic,
            partition,
            first,
            end - 1,
            end - first,
        )

    # --- the loop ----------------------------------------------------------------------------

    def _step(self) -> None:
        if self._failures:
            self._consumer.pause()  # again each time, for what a rebalance may have brought
        self._read()
        now = self._monotonic()
        if self._failures:
            self._health.progress("reading")  # paused on purpose: `store` is what stands still
        if self._is_store_lost:
            if now >= self._retry_at:
                self._rebuild_store()
        elif self._failures:
            if now >= self._retry_at:
                self._flush()
        elif self._is_due(now):
            self._flush()
        elif not self._batch:
            self._health.progress("store")

    def _is_due(self, now: float) -> bool:
        if len(self._batch) >= self._settings.write_batch_size:
            return True
        if self._batch:
            return self._has_drained
        if now >= self._commit_ends_at and self._consumer.uncommitted():
            self._commit_ends_at = now + _ENDS_SECONDS
            return True
        return False

    def _read(self) -> None:
        room = min(_POLL_RECORDS, max(1, self._settings.write_batch_size - len(self._batch)))
        wait = 0 if self._batch and not self._failures else _POLL_SECONDS
        records = self._consumer.read(room, wait)
        self._has_drained = len(records) < room
        for record in records:
            self._take(read_record(record))
        metrics.BUFFERED.set(len(self._batch.candles))
        self._health.progress("poll")
        self._note_reading(self._monotonic(), has_read=bool(records))

    def _note_reading(self, now: float, *, has_read: bool) -> None:
        """Report that records come, or that there are none: polling alone proves neither."""
        if has_read:
            self._health.progress("reading")
            self._look_at = now + _LOOK_SECONDS
        elif now >= self._look_at and not self._failures:
            self._look_at = now + _LOOK_SECONDS
            self._is_store_lost = self._is_store_lost or self._store.is_lost()
            try:
                has_unread = self._consumer.has_unread()
            except KafkaException as error:
                logger.debug("the broker does not say what is unread: {}", error)
                return
            if not has_unread:
                self._health.progress("reading")

    def _take(self, record: Candle | Rejected) -> None:
        if isinstance(record, Rejected):
            self._batch.rejected.append(record)
            return
        metrics.READ.inc()
        self._batch.candles.append(record)

    # --- keeping a batch ---------------------------------------------------------------------

    def _flush(self) -> bool:
        """Keep the batch and commit it; return whether nothing is left to do."""
        try:
            self._keep()
            self._commit()
        except StoreLostError as error:
            logger.error("{}", error)
            self._is_store_lost = True
            return False
        except _PASSING as error:
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
        while batch.candles:
            with metrics.WRITE_SECONDS.time():
                written = self._store.write(batch.candles)
            done = batch.candles[: written.candles]
            metrics.kept(done, is_live=not self._settings.run_id)
            ends = [candle.window_end_ms for candle in done if candle.complete]
            self._newest_end_ms = max([*ends, self._newest_end_ms])
            metrics.WRITTEN.inc(written.candles - written.left_out)
            metrics.SKIPPED.labels("incomplete").inc(written.left_out)
            metrics.BATCHES.inc()
            del batch.candles[: written.candles]
            self._status.progress(newest_window_end_ms=self._newest_end_ms)

    def _commit(self) -> None:
        offsets = self._consumer.uncommitted()
        if offsets:
            self._consumer.commit()
            for partition, offset in offsets.items():
                metrics.set_lag(partition, self._consumer.lag(partition, offset))

    def _rebuild_store(self) -> None:
        """Make a lost store again from all the topic still holds."""
        try:
            # In this order: a crash in between leaves the whole topic to be read again.
            self._consumer.rewind()
            self._store.reopen()
        except _PASSING as error:
            self._hold(error)
            return
        except StoreRejectedError as error:
            raise FatalError(str(error)) from None
        self._is_store_lost = False
        self._failures = 0
        metrics.HOLDING.set(0)
        self._batch.clear()
        logger.warning(
            "the store is made again from topic {}; what the topic does not hold any more needs "
            "make backfill",
            self._consumer.topic,
        )

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
            if self._is_store_lost or self._monotonic() > deadline:
                raise FatalError("stopped with a batch that is not in the store; it is read again")
            self._consumer.pause()
            self._read()  # what comes in spite of the pause is part of the batch
