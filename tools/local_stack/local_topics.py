"""Topics small enough for the embedded broker, which keeps all of them in memory."""

from confluent_kafka.admin import AdminClient, NewTopic

from ohlc_core.messages.topics import TopicNames

_HOUR_MS = 3_600_000


def create_small_topics(address: str, topics: TopicNames, partitions: int) -> None:
    """Create a live run's topics with short retention; a backfill's are left to the services.

    A backfill's records carry old timestamps, which any retention by time would delete at once.
    """
    if topics.is_backfill:
        return
    retention_ms = {
        topics.trades: _HOUR_MS,
        topics.trades_dlq: _HOUR_MS,
        topics.ohlc: 24 * _HOUR_MS,
        topics.ohlc_dlq: 24 * _HOUR_MS,
    }
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    wanted = [
        NewTopic(topic, partitions, 1, config={"retention.ms": str(kept)})
        for topic, kept in retention_ms.items()
    ]
    existing = set(admin.list_topics(timeout=10).topics)
    new = [topic for topic in wanted if topic.topic not in existing]
    if new:
        for created in admin.create_topics(new).values():
            created.result(10)
