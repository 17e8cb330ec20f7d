"""The lag of a consumer group, asked again and again at little cost."""

from typing import NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition

_TIMEOUT_SECONDS = 10.0


class Place(NamedTuple):
    """Where a group stands in a topic, over all partitions.

    Attributes:
        end: records that were ever appended.
        lag: records that are not committed.
    """

    end: int
    lag: int


class GroupLag:
    """Asks for one group and topic, with a client that stays open and never joins the group."""

    def __init__(self, address: str, group: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": address, "group.id": group, "log_level": 0})
        found = self._consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
        self._partitions = [TopicPartition(topic, each) for each in found.partitions]

    def place(self) -> Place:
        """Return where the group stands now.

        Raises:
            KafkaException: the broker did not answer.
        """
        end = lag = 0
        for each in self._consumer.committed(self._partitions, timeout=_TIMEOUT_SECONDS):
            low, high = self._consumer.get_watermark_offsets(each, timeout=_TIMEOUT_SECONDS)
            end += high
            lag += high - max(low, each.offset)
        return Place(end, lag)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._consumer.close()
