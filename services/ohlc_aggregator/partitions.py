"""Whether the trades topic still has the partitions that the state was made for.

A product's partition follows from the number of partitions. With another number, products move
away from their state, and quixstreams would read some of them nowhere.
"""

import threading

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from loguru import logger

from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.errors import TopicChangedError
from ohlc_core.kafka.config import connection_config

_LOOK_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0


class PartitionWatch:
    """Stops the service when the topic gets more partitions.

    Args:
        settings: how to reach the broker, and which pipeline.
        stop: set when the number of partitions changed.
    """

    def __init__(self, settings: AggregatorSettings, stop: threading.Event) -> None:
        self._topic = settings.topics.trades
        self._changelog = f"changelog__{settings.topics.aggregator_group}--{self._topic}--default"
        self._stop = stop
        self._admin = AdminClient(connection_config(settings) | {"log_level": 0})
        self._reason = ""

    def start(self) -> None:
        """Compare the topic with the state's, and watch it from now on.

        Raises:
            TopicChangedError: the state was made for another number of partitions.
        """
        count, known = self._count(self._topic), self._count(self._changelog)
        if count and known and count != known:
            raise TopicChangedError(self._words(known, count))
        threading.Thread(target=self._watch, args=(count,), name="partitions", daemon=True).start()

    def raise_if_changed(self) -> None:
        """Raise what stopped the service, if this did.

        Raises:
            TopicChangedError: the topic has another number of partitions than at the start.
        """
        if self._reason:
            raise TopicChangedError(self._reason)

    def _watch(self, count: int | None) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            now = self._count(self._topic)
            count = count or now
            if count and now and now != count:
                self._reason = self._words(count, now)
                logger.error("{}", self._reason)
                self._stop.set()

    def _count(self, topic: str) -> int | None:
        """Return how many partitions the topic has; None where there is none, or no answer."""
        try:
            # All topics: some brokers create a topic that is asked for by name.
            found = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics.get(topic)
        except KafkaException:
            return None
        return len(found.partitions) if found is not None and found.error is None else None

    def _words(self, known: int, now: int) -> str:
        return (
            f"topic {self._topic} has {now} partitions, and the aggregator's state was made for "
            f"{known}: products are in other partitions now than their state. Stop all services, "
            f"delete the topics {self._topic} and {self._changelog} and the folder STATE_DIR, and "
            "start again; `make backfill` repairs the time between (docs/scaling.md)"
        )
