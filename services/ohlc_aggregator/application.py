"""The wiring: quixstreams reads trades, keeps state, and produces candles and dead letters."""

import json
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import MalformedMessageError
from ohlc_core.kafka.admin import broker_answers
from ohlc_core.kafka.config import connection_config, consumer_config, producer_config
from ohlc_core.kafka.patience import patient
from ohlc_core.kafka.reader import TopicReader
from ohlc_core.kafka.topic_watch import TopicWatch
from ohlc_core.messages.dead_letters import dead_letter_key
from ohlc_core.messages.records import StartMessage
from ohlc_core.service.runner import Runtime
from ohlc_core.service.setting_groups import KafkaSettings, duration_us

# A dependency of quixstreams announces its own successor on import, past every filter.
with warnings.catch_warnings(record=True):
    from quixstreams import Application, message_context
    from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout
    from quixstreams.kafka.configuration import ConnectionConfig
    from quixstreams.models import SerializationContext, Serializer, Topic, TopicConfig
    from quixstreams.state import State
    from quixstreams.state.rocksdb import RocksDBOptions

from ohlc_aggregator.checkpoint import ProductCache, partition_state
from ohlc_aggregator.metrics import BASE_INTERVAL, CONSUMER_LAG, Counts, show_known_labels
from ohlc_aggregator.records import Outgoing, Place, RecordReader
from ohlc_aggregator.removed_records import METADATA, Bounds, RemovedRecords
from ohlc_aggregator.settings import AggregatorSettings

#: The loop is alive while librdkafka's statistics arrive: they are handed over by its poll.
_POLL = "poll"
#: Live, records come all the time: the producer appends watermarks where no trades are.
_DATA = "data"
_DATA_SECONDS = 8.0
_STATISTICS_MS = 1_000
_BOUNDS_SECONDS = 30.0
#: Of each partition's state. quixstreams' own are 64 and 128 MiB, and 1 GiB for reading, for states
#: that are larger than memory; this one is small and written again and again.
_MIB = 1 << 20
_ROCKSDB = RocksDBOptions(
    write_buffer_size=16 * _MIB, max_total_wal_size=32 * _MIB, block_cache_size=64 * _MIB
)
#: Of the changelog. Only closed segments are compacted, and a broker's own are of 1 GiB.
_SEGMENT_BYTES = 32 * _MIB
_ALLOWED_SILENCE_SECONDS = 15.0
#: The offset of a partition's record that was being worked off in parts.
_UNFINISHED = "unfinished"


class CandleApplication(Application):
    """quixstreams' application, with what a product of this kind needs in addition.

    It leaves the signals to the service's frame, see `stopping`: quixstreams' own handlers lose a
    signal that arrives before its loop has begun. And it keeps the state where records were
    removed before they were read: quixstreams would delete it, and go on without a word.
    """

    removed: RemovedRecords
    #: Whether the record in hand has more to give, and has to come again.
    comes_again = False
    _has_part = False

    def repeat_unfinished_records(self) -> None:
        """Read a record again, its offset uncommitted, for as long as it has more; before `run`.

        So polling, rebalances and checkpoints go on between its parts.
        """
        store_offset = self._processing_context.store_offset

        def store_or_seek(topic: str, partition: int, offset: int) -> None:
            if self.comes_again:
                self._has_part = True
                self._consumer.seek(TopicPartition(topic, partition, offset))
            else:
                store_offset(topic, partition, offset)

        self._processing_context.store_offset = store_or_seek  # type: ignore[method-assign]

    def ask_patiently(self, settings: KafkaSettings) -> None:
        """Ask a broker that has just started again once more; before `run`.

        An assignment asks for offsets, and quixstreams ends where a broker does not lead yet.
        """
        consumer = self._consumer
        own_bounds = consumer.get_watermark_offsets

        def bounds(partition: TopicPartition, *args: Any, **options: Any) -> tuple[int, int]:  # noqa: ANN401
            try:
                return own_bounds(partition, *args, **options)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:  # noqa: SLF001
                    raise
                # A client keeps for long that a broker which had just started did not know a topic.
                with TopicReader(settings, partition.topic) as reader:
                    found = (reader.bounds_now() or {}).get(partition.partition)
                if found is None:
                    raise
                return found

        for name, ask in (("committed", consumer.committed), ("get_watermark_offsets", bounds)):
            setattr(consumer, name, patient(ask, _BOUNDS_SECONDS))

    def close_changelog_segments(self) -> None:
        """Have the broker compact the changelog early; before the state is registered."""
        make = self._topic_manager.changelog_topic

        def changelog_topic(stream_id: str | None, store_name: str, config: TopicConfig) -> Topic:
            config.extra_config["segment.bytes"] = str(_SEGMENT_BYTES)
            return make(stream_id, store_name, config)

        self._topic_manager.changelog_topic = changelog_topic  # type: ignore[method-assign]

    def deliver_parts(self) -> None:
        """Deliver the candles of a record that has more to give, before state says they are out.

        What a whole record changes counts once its offset is committed; a part has no offset.

        Raises:
            CheckpointProducerTimeout: the broker does not take them.
        """
        if self._has_part and self._producer.flush() > 0:
            raise CheckpointProducerTimeout("candles were not delivered in time")
        self._has_part = False

    def watch_removals(self, topic: str, topic_id: str) -> None:
        """Begin to notice records that are removed unread; before `run`."""
        self.removed = RemovedRecords(topic, partial(self._bounds, topic), topic_id)
        self._trades_topic = topic

    def _bounds(self, topic: str, partition: int) -> Bounds:
        where = TopicPartition(topic, partition)
        return Bounds(*self._consumer.get_watermark_offsets(where, timeout=_BOUNDS_SECONDS))

    def _setup_signal_handlers(self) -> None:
        """Keep the handlers that are there."""

    def _assign_partitions(self, topic_partitions: list[TopicPartition]) -> None:
        mine = [each for each in topic_partitions if each.topic == self._trades_topic]
        for each in self._consumer.committed(mine, timeout=_BOUNDS_SECONDS):
            low = self.removed.assigned(
                each.partition,
                each.offset,
                each.metadata or "",
                self._bounds(each.topic, each.partition),
            )
            if low is not None:
                # Before quixstreams looks: an offset that is no longer there means to it that
                # all state is worthless.
                moved = TopicPartition(
                    each.topic, each.partition, low, metadata=f"{METADATA}{each.offset}"
                )
                self._consumer.commit(offsets=[moved], asynchronous=False)
        super()._assign_partitions(topic_partitions)


@contextmanager
def stopping(app: Application, stop: threading.Event) -> Iterator[None]:
    """Stop the application, which runs meanwhile, once ``stop`` is set, whenever that is."""
    ended = threading.Event()

    def watch() -> None:
        stop.wait()
        # Again and again: starting its loop makes the application forget an earlier stop.
        while not ended.wait(0.1):
            app.stop()

    watcher = threading.Thread(target=watch, name="stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()


def now_us() -> int:
    """Return the wall clock in microseconds."""
    return time.time_ns() // 1_000


class OutgoingSerializer(Serializer):
    """Produces the bytes an `Outgoing` already has."""

    def __call__(self, value: Any, ctx: SerializationContext) -> bytes:  # noqa: ANN401
        """Return the record's value."""
        return bytes(value.value)


class DeadLetterKeySerializer(Serializer):
    """Produces the rejected record's key, cut where it is no product's."""

    def __call__(self, value: Any, ctx: SerializationContext) -> bytes:  # noqa: ANN401
        """Return the dead letter's key."""
        return dead_letter_key(value) or b""


def build(settings: AggregatorSettings, runtime: Runtime) -> Application:
    """Return the application, ready to run. Its topics must exist."""
    is_live = not settings.run_id
    show_known_labels(settings.ohlc_intervals)
    BASE_INTERVAL.set(settings.rules.intervals[0].us / 1e6)
    counts = Counts(settings.ohlc_intervals, now_us if is_live else None)
    if is_live:
        runtime.health.expect(_DATA, _DATA_SECONDS, from_first=True)

    def checkpointed() -> None:
        cache.publish_gauges(now_us())
        cache.report(runtime.status)
        runtime.status.progress(gaps=reader.gaps.report(), removed=app.removed.report())

    app = _application(settings, runtime)
    cache = ProductCache(settings.rules, counts, app.deliver_parts, checkpointed)
    on_part = partial(runtime.health.progress, _POLL)
    reader = RecordReader(duration_us(settings.max_ahead), now_us, counts, on_part)
    removed = app.removed
    names = settings.topics
    trades = app.topic(names.trades, key_deserializer="bytes", value_deserializer="bytes")
    serializers: dict[str, Any] = {
        "key_serializer": "bytes",
        "value_serializer": OutgoingSerializer(),
    }
    candles = app.topic(names.ohlc, **serializers)
    dead_letters = app.topic(
        names.trades_dlq, **serializers | {"key_serializer": DeadLetterKeySerializer()}
    )

    def read(
        value: bytes | None,
        key: bytes | None,
        timestamp_ms: int,
        _headers: object,
        state: State[Any, Any],
    ) -> Iterable[Outgoing]:
        runtime.health.progress(_DATA)
        context = message_context()
        place = Place(context.topic, context.partition, context.offset, timestamp_ms)
        partition = partition_state(state)
        app.comes_again = False
        removed.read(place.partition, place.offset, partition, timestamp_ms)
        first: list[Outgoing] = []
        try:
            record = reader.decode(key, value)
            product = cache.product(ProductKey(record.exchange, record.product_id), state)
            if removed.concerns(
                place.partition, partition, product, begins=isinstance(record, StartMessage)
            ):
                first = reader.removed(product, record, place)
            part = reader.approach(product, record, place)
            if part is not None:
                app.comes_again = True
                # quixstreams takes a checkpoint without an offset or a change for an empty one.
                partition.set(_UNFINISHED, str(place.offset).encode())
                removed.comes_again(place.partition, place.offset)
                return chain(first, part)
            return chain(first, reader.apply(product, record, place))
        except MalformedMessageError as error:
            return [*first, reader.reject(value, str(error), place)]

    stream = app.dataframe(trades)
    stream = stream.apply(read, expand=True, stateful=True, metadata=True)
    stream = stream.set_timestamp(lambda outgoing, *_: outgoing.timestamp_ms)
    stream = stream.to_topic(
        lambda outgoing, *_: dead_letters if outgoing.is_dead_letter else candles
    )
    stream.sink(cache)
    return app


def _application(settings: AggregatorSettings, runtime: Runtime) -> CandleApplication:
    group = settings.topics.aggregator_group
    connection = ConnectionConfig.from_librdkafka_dict(
        connection_config(settings), ignore_extras=True
    )
    consumer = consumer_config(settings, group) | {
        # Its place in the group outlives it, so a restart need not wait for a session to end.
        "group.instance.id": settings.instance,
        "statistics.interval.ms": _STATISTICS_MS,
        "stats_cb": _statistics(settings, runtime),
    }
    producer = producer_config(settings)
    if settings.processing_guarantee == "exactly-once":
        # A fixed id: a restarted instance ends the transaction its predecessor left open.
        producer["transactional.id"] = f"{group}-{settings.instance}"
        timeout_seconds = max(10.0, 10 * settings.commit_interval_seconds)
        producer["transaction.timeout.ms"] = int(timeout_seconds * 1_000)
    managed = connection.as_librdkafka_dict().keys() | {
        "group.id",
        "auto.offset.reset",
        "enable.auto.commit",
    }
    app = CandleApplication(
        broker_address=connection,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=settings.commit_interval_seconds,
        consumer_extra_config={k: v for k, v in consumer.items() if k not in managed},
        producer_extra_config={k: v for k, v in producer.items() if k not in managed},
        consumer_poll_timeout=0.2,
        state_dir=settings.state_dir,
        rocksdb_options=_ROCKSDB,
        loglevel=None,
        processing_guarantee=settings.processing_guarantee,
        request_timeout=settings.kafka_startup_timeout_seconds,
        # Nothing is passed over, and nothing logged with a traceback: see `main.run`.
        on_consumer_error=_raise_on,
        on_processing_error=_raise_on,
        on_producer_error=_raise_on,
    )
    watch = TopicWatch(settings, settings.topics.trades)
    watch.open()
    app.watch_removals(settings.topics.trades, watch.facts.topic_id if watch.facts else "")
    app.repeat_unfinished_records()
    app.ask_patiently(settings)
    app.close_changelog_segments()
    return app


def _raise_on(_error: Exception, _record: object, _logger: object) -> bool:
    """Let an error end the application."""
    return False


def _statistics(settings: AggregatorSettings, runtime: Runtime) -> Any:  # noqa: ANN401 - librdkafka's callback type
    runtime.health.expect(
        _POLL,
        _ALLOWED_SILENCE_SECONDS,
        ends_after_seconds=settings.hang_seconds,
        peer_answers=partial(broker_answers, settings),
    )

    def on_statistics(text: str) -> None:
        runtime.health.progress(_POLL)
        for topic in json.loads(text).get("topics", {}).values():
            for partition, numbers in topic["partitions"].items():
                if numbers.get("consumer_lag", -1) >= 0:
                    CONSUMER_LAG.labels(partition).set(numbers["consumer_lag"])

    return on_statistics
