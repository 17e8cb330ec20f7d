"""Noticing that a topic was deleted, recreated, or given more partitions while it is in use."""

from concurrent.futures import Future
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription
from loguru import logger

from ohlc_core.errors import TopicChangedError
from ohlc_core.kafka.config import connection_config
from ohlc_core.service.setting_groups import KafkaSettings

_EVERY_SECONDS = 2.0
_TIMEOUT_SECONDS = 10.0


class TopicFacts(NamedTuple):
    """What identifies a topic.

    Attributes:
        topic_id: the broker's id of this creation of the topic; "" where it has none.
        partitions: how many; 0 where there is no such topic.
    """

    topic_id: str
    partitions: int


class TopicWatch:
    """Asks about one topic every two seconds, without ever waiting for the answer.

    Args:
        settings: the broker.
        topic: which.
        may_grow: whether this service reads added partitions by itself.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, may_grow: bool = False) -> None:
        self._topic = topic
        self._may_grow = may_grow
        self._admin = AdminClient(connection_config(settings) | {"log_level": 0})
        self._asked: Future[TopicDescription] | None = None
        self._ask_at = 0.0
        self._times_gone = 0
        self.facts: TopicFacts | None = None

    def open(self) -> None:
        """Learn what the topic is now, where the broker says so."""
        try:
            self.facts = _facts(self._ask())
        except (KafkaException, TimeoutError) as error:
            logger.debug("the broker does not describe {}: {!r}", self._topic, error)

    def check(self, now: float) -> None:
        """Compare the topic with what it was; ``now`` is in monotonic seconds.

        Raises:
            TopicChangedError: it was deleted, recreated, or got more partitions.
        """
        if self._asked is None:
            if now >= self._ask_at:
                self._asked, self._ask_at = self._ask(), now + _EVERY_SECONDS
            return
        if not self._asked.done():
            return
        asked, self._asked = self._asked, None
        try:
            self._compare(_facts(asked))
        except KafkaException as error:
            logger.debug("the broker does not describe {}: {}", self._topic, error)

    def _ask(self) -> "Future[TopicDescription]":
        asked: dict[str, Future[TopicDescription]] = self._admin.describe_topics(
            TopicCollection([self._topic]), request_timeout=_TIMEOUT_SECONDS
        )
        return asked[self._topic]

    def _compare(self, found: TopicFacts) -> None:
        before = self.facts
        if found.partitions == 0:
            # A broker that has just started may not know its topics yet.
            self._times_gone += 1
            if self._times_gone > 1:
                raise TopicChangedError(
                    f"topic {self._topic} was deleted while it was in use; started again, this "
                    "service creates it and reads it from its beginning"
                )
            return
        self._times_gone = 0
        if before is None:
            self.facts = found
        elif found.topic_id != before.topic_id:
            raise TopicChangedError(
                f"topic {self._topic} was deleted and created again while it was in use; started "
                "again, this service reads it from its beginning"
            )
        elif found.partitions > before.partitions:
            self.facts = found
            self._note_growth(before.partitions, found.partitions)

    def _note_growth(self, before: int, now: int) -> None:
        text = f"topic {self._topic} was given {now} partitions instead of {before}"
        if not self._may_grow:
            raise TopicChangedError(
                f"{text}: products now move between partitions, which breaks their order; create "
                "the topics again with TOPIC_PARTITIONS as wanted and backfill, or go back"
            )
        logger.warning("{}; all of them are read", text)


def _facts(asked: "Future[TopicDescription]") -> TopicFacts:
    try:
        found = asked.result(_TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return TopicFacts("", 0)
        raise
    return TopicFacts(str(found.topic_id or ""), len(found.partitions))
