"""Reading a topic as a member of a consumer group, such that no record can be passed over.

Where reading stands is kept here (`ReadPositions`), not taken from librdkafka: each partition is
assigned at an explicit offset, a pause ends by assigning every partition again at its position,
and before a commit every offset that was passed over is looked up in the topic. librdkafka 2.12
resumes a partition that was paused right after its end behind the next record.
"""

import json
import time
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from loguru import logger

from ohlc_core.errors import FatalError, FencedError, OutOfSequenceError, TopicChangedError
from ohlc_core.kafka.config import ClientConfig, consumer_config
from ohlc_core.kafka.positions import ReadPositions, Skip
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.kafka.topic_watch import TopicWatch
from ohlc_core.service.setting_groups import KafkaSettings

_STATISTICS_MS = 5_000
_REQUEST_SECONDS = 5.0
_METADATA_MS = 5_000

_FATAL_CODES = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the broker allows no reading of this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the broker allows no use of this consumer group",
    KafkaError.SASL_AUTHENTICATION_FAILED: "the broker refused the user or password",
}


class Membership(Protocol):
    """What a service does when partitions come and go."""

    def before_revoke(self) -> None:
        """Partitions are about to go to another member: keep and commit what was read."""

    def gone(self, partitions: list[int]) -> None:
        """``partitions`` are not ours any more; their offsets must not be committed."""

    def removed(self, partition: int, first: int, end: int) -> None:
        """The topic's offsets ``first`` to ``end`` (exclusive) were deleted before being read."""


class GroupMember:
    """One topic's reader in a group; no offset is committed but by `commit`.

    Args:
        settings: the broker.
        topic, group: what is read, and as whom.
        instance_id: the fixed name of this member; "" for none.
        broker_is_up: called every few seconds while the broker is connected.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        group: str,
        *,
        instance_id: str = "",
        broker_is_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.topic = topic
        self._settings = settings
        self._instance_id = instance_id
        self._broker_is_up = broker_is_up
        self._consumer = Consumer(self._config(settings, group))
        self._watch = TopicWatch(settings, topic, may_grow=True)
        self._positions = ReadPositions()
        self._membership: Membership | None = None
        self._is_paused = False
        self._changes = 0
        self._to_start: list[TopicPartition] = []
        self._committed: dict[int, int] = {}
        self._fatal: FatalError | None = None
        self._skip_reader: TopicReader | None = None

    def _config(self, settings: KafkaSettings, group: str) -> ClientConfig:
        config: dict[str, object] = dict(consumer_config(settings, group))
        config |= {
            # Its offset is behind a transaction's end mark, which no record's is: with it
            # committed, the group's lag reaches 0 also on topics written in transactions.
            "enable.partition.eof": True,
            "enable.auto.offset.store": False,
            # Records that were deleted before they were read must not vanish without a word.
            "auto.offset.reset": "error",
            "topic.metadata.refresh.interval.ms": _METADATA_MS,
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": self._on_statistics,
            "error_cb": self._on_error,
            "log_level": 0,
        }
        if self._instance_id:
            config["group.instance.id"] = self._instance_id
        return config  # type: ignore[return-value]

    def subscribe(self, membership: Membership) -> None:
        """Join the group."""
        self._membership = membership
        self._watch.open()

        def revoked(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            membership.before_revoke()
            self._gone(partitions)

        def lost(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._gone(partitions)

        self._consumer.subscribe(
            [self.topic],
            on_assign=lambda _consumer, partitions: self._assigned(partitions),
            on_revoke=revoked,
            on_lost=lost,
        )

    # --- partitions that come and go ---------------------------------------------------------

    def _gone(self, partitions: list[TopicPartition]) -> None:
        self._changes += 1
        gone = [each.partition for each in partitions]
        self._to_start = [each for each in self._to_start if each.partition not in gone]
        for partition in gone:
            self._positions.forget(partition)
            self._committed.pop(partition, None)
        if self._membership is not None:
            self._membership.gone(gone)

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        self._changes += 1
        self._to_start = partitions
        self._start()
        if self._to_start:
            self._consumer.assign([])

    def _start(self) -> None:
        """Begin to read the partitions that were assigned; later where the broker is away."""
        try:
            for each in self._consumer.committed(self._to_start, timeout=_REQUEST_SECONDS):
                self._positions.start(each.partition, self._first_offset(each))
                self._committed[each.partition] = each.offset
        except KafkaException as error:
            self._note_fatal(error.args[0])
            logger.warning("where to go on reading is not known yet: {}", error.args[0].str())
            return
        self._to_start = []
        self._assign_at_positions()

    def _first_offset(self, committed: TopicPartition) -> int:
        """Return where to begin to read a partition: at its committed offset where that is left."""
        partition, offset = committed.partition, committed.offset
        low, end = self._consumer.get_watermark_offsets(committed, timeout=_REQUEST_SECONDS)
        if offset < 0:
            if low > 0:
                logger.warning(
                    "{}[{}] is read from offset {}; what was before it is not in the topic any "
                    "more",
                    self.topic,
                    partition,
                    low,
                )
            return int(low)
        is_other = committed.metadata not in (None, "", self._topic_id)
        if (is_other and self._topic_id) or offset > end:
            logger.warning(
                "{}[{}] was created again since offset {} was committed; it is read from its "
                "beginning",
                self.topic,
                partition,
                offset,
            )
            return int(low)
        if offset < low:
            self._removed(partition, offset, int(low))
        return max(int(low), int(offset))

    def _removed(self, partition: int, first: int, end: int) -> None:
        if self._membership is not None:
            self._membership.removed(partition, first, end)

    @property
    def _topic_id(self) -> str:
        return self._watch.facts.topic_id if self._watch.facts else ""

    def _assign_at_positions(self) -> None:
        """Fetch every partition from its position; what is on its way here is dropped."""
        positions = [
            TopicPartition(self.topic, partition, offset)
            for partition, offset in self._positions.all().items()
        ]
        # A pause outlives an assignment inside librdkafka; and as a resumed partition may begin
        # behind its position, it is assigned there afterwards.
        self._consumer.resume(positions)
        self._consumer.assign(positions)
        if self._is_paused and positions:
            self._consumer.pause(positions)

    # --- reading -----------------------------------------------------------------------------

    def read(self, count: int, timeout_seconds: float) -> list[Message]:
        """Return up to ``count`` records that are there, waiting for the first of them only.

        Raises:
            FatalError: the broker will not let this process read, another process took its
                place, or the topic was deleted.
        """
        self._watch.check(time.monotonic())
        if self._to_start:
            self._start()
        changes = self._changes
        first = self._consumer.poll(timeout_seconds)
        messages = [] if first is None else [first]
        if first is not None and count > 1:
            messages += self._consumer.consume(count - 1, timeout=0)
        has_changed = changes != self._changes
        if has_changed:
            # What ends the client for good also revokes its partitions, and is reported once.
            for message in messages:
                self._note_fatal(message.error())
        if self._fatal is not None:
            raise self._fatal
        if has_changed:
            # They may be of an assignment that has ended; nothing of them is taken.
            if self._positions.all():
                self._assign_at_positions()
            return []
        return [message for message in messages if self._is_record(message)]

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        partition, offset = message.partition(), message.offset()
        if error is None:
            return self._positions.take(partition or 0, offset or 0)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            if offset is not None and offset != OFFSET_INVALID:
                self._positions.reach(partition or 0, offset)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._on_offset_out_of_range(partition or 0)
        else:
            self._on_error(error)
            if self._fatal is not None:
                raise self._fatal
        return False

    def _on_offset_out_of_range(self, partition: int) -> None:
        position = self._positions.all().get(partition)
        if position is None:
            return
        where = TopicPartition(self.topic, partition)
        low, end = self._consumer.get_watermark_offsets(where, timeout=_REQUEST_SECONDS)
        if position > end:
            raise TopicChangedError(
                f"{self.topic}[{partition}] ends at offset {end}, before {position}, to which it "
                "was read: it was created again or lost records; started again, this service "
                "reads it from its beginning"
            )
        if position < low:
            self._removed(partition, position, int(low))
            self._positions.start(partition, int(low))
        self._assign_at_positions()

    @property
    def positions(self) -> dict[int, int]:
        """Each partition's offset behind the last record taken in order."""
        return self._positions.all()

    def has_unread(self) -> bool:
        """Ask the broker whether anything of our partitions lies ahead of what was read.

        Raises:
            KafkaException: it does not say.
        """
        for partition, position in self._positions.all().items():
            where = TopicPartition(self.topic, partition)
            _, end = self._consumer.get_watermark_offsets(where, timeout=_REQUEST_SECONDS)
            if end > position:
                return True
        return False

    def pause(self) -> None:
        """Fetch nothing for now; `read` still keeps the membership alive."""
        self._is_paused = True
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again, from the positions read so far."""
        self._is_paused = False
        self._assign_at_positions()

    def rewind(self) -> None:
        """Read every partition again from its beginning, also after a restart.

        Raises:
            KafkaException: the broker does not answer.
        """
        self._is_paused = False
        for partition in self._positions.all():
            where = TopicPartition(self.topic, partition)
            low, _ = self._consumer.get_watermark_offsets(where, timeout=_REQUEST_SECONDS)
            self._positions.start(partition, int(low))
            self._committed.pop(partition, None)
        self.commit()
        self._assign_at_positions()

    # --- committing --------------------------------------------------------------------------

    def uncommitted(self) -> dict[int, int]:
        """Return the positions that are not committed yet."""
        return {
            partition: offset
            for partition, offset in self._positions.all().items()
            if offset != self._committed.get(partition)
        }

    def commit(self) -> None:
        """Commit the position of every partition; everything `read` returned must be kept by now.

        Raises:
            KafkaException: they are not committed; the text says why.
            FencedError: another process took this one's place.
            TopicUnreadableError: what was passed over could not be looked up.
            OutOfSequenceError: records before them were never delivered.
        """
        offsets = self.uncommitted()
        if not offsets:
            return
        self._explain_skips()
        wanted = [
            TopicPartition(self.topic, partition, offset, self._topic_id)
            for partition, offset in offsets.items()
        ]
        try:
            committed = self._consumer.commit(offsets=wanted, asynchronous=False)
            for each in committed or ():
                if each.error is not None:
                    raise KafkaException(each.error)
        except KafkaException as error:
            self._note_fatal(error.args[0])
            if self._fatal is not None:
                raise self._fatal from None
            raise
        self._committed.update(offsets)

    def _explain_skips(self) -> None:
        """Make sure that what was passed over holds no record."""
        skips = self._positions.skips()
        if not skips:
            return
        reader = self._skip_reader = self._skip_reader or TopicReader(
            self._settings, self.topic, patience_seconds=_REQUEST_SECONDS
        )
        bounds = reader.bounds()
        for partition in {each.partition for each in skips}:
            low = bounds[partition].low
            its = [each for each in skips if each.partition == partition]
            for each in its:
                if each.first < low:
                    self._removed(partition, each.first, min(low, each.end))
            _raise_if_held(reader, [each for each in its if each.end > low], low)
        self._positions.explained()

    def lag(self, partition: int, offset: int) -> int | None:
        """Return how many offsets stand at or after ``offset``, as far as is known here."""
        where = TopicPartition(self.topic, partition)
        marks = self._consumer.get_watermark_offsets(where, cached=True)
        if marks is None or marks[1] < 0:
            return None
        return max(0, int(marks[1]) - offset)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        if self._skip_reader is not None:
            self._skip_reader.close()

    # --- what the client reports -------------------------------------------------------------

    def _on_error(self, error: KafkaError) -> None:
        if not self._note_fatal(error):
            logger.warning("broker: {}", error.str())

    def _note_fatal(self, error: KafkaError | None) -> bool:
        """Return whether the client will never read again after this; `read` then raises."""
        if error is None:
            return False
        reason = _FATAL_CODES.get(error.code())
        if error.code() == KafkaError.FENCED_INSTANCE_ID or "fenced" in error.str().lower():
            self._fatal = self._fenced()
        elif reason is not None or error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            self._fatal = FatalError(f"{reason or 'the consumer cannot go on'} ({error.str()})")
        else:
            return False
        return True

    def _fenced(self) -> FencedError:
        return FencedError(
            f"another process joined the group with KAFKA_GROUP_INSTANCE_ID={self._instance_id}, "
            "which this one had; give each process its own, or leave it unset"
        )

    def _on_statistics(self, text: str) -> None:
        brokers = json.loads(text).get("brokers", {}).values()
        if any(broker["state"] == "UP" and broker["nodeid"] >= 0 for broker in brokers):
            self._broker_is_up()


def _raise_if_held(reader: TopicReader, skips: list[Skip], low: int) -> None:
    """Raise OutOfSequenceError where the topic holds a record within one of the skips."""
    if not skips:
        return
    partition = skips[0].partition
    whole = Bounds(max(low, skips[0].first), skips[-1].end)
    for message in reader.read({partition: whole}):
        offset = message.offset()
        if any(first <= offset < end for _, first, end in skips):
            raise OutOfSequenceError(
                f"record {reader.topic}[{partition}]@{offset} was passed over by the client; "
                "nothing behind it is committed: started again, this service reads it"
            )
