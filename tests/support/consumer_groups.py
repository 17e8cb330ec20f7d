"""What a consumer group has done, asked as an orchestrator would: without joining it."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from local_stack.processes import ManagedProcess
from support.wait import wait_until


def group_lag(address: str, group: str, topic: str) -> int | None:
    """Return how many offsets of ``topic`` the group has not committed; None: not to be had now.

    A broker that has just started may not have found the group's coordinator yet.
    """
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        asked = [TopicPartition(topic, partition) for partition in partitions]
        lag: int = sum(
            consumer.get_watermark_offsets(each, timeout=30)[1] - max(0, each.offset)
            for each in consumer.committed(asked, timeout=30)
        )
    except KafkaException as error:
        if error.args[0].retriable() or error.args[0].code() > 0:
            return None
        raise
    else:
        return lag
    finally:
        consumer.close()


def wait_for_no_lag(
    address: str, group: str, topic: str, timeout: float = 40, member: ManagedProcess | None = None
) -> None:
    """Wait until the group has committed the end of every partition, while ``member`` runs."""

    def is_done() -> bool:
        assert member is None or member.is_running, f"{member} ended: {member.log_lines()[-3:]}"
        return group_lag(address, group, topic) == 0

    wait_until(is_done, timeout, f"{group} to have no lag", every=0.2)
