"""What a consumer group has done, asked as an orchestrator would: without joining it."""

from confluent_kafka import KafkaException

from local_stack.processes import ManagedProcess
from ohlc_core.kafka import groups as kafka_groups
from ohlc_core.kafka.patience import PASSING
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from support.wait import wait_until


def group_lag(address: str, group: str, topic: str) -> int | None:
    """Return how many offsets of ``topic`` the group has not committed; None: not known now.

    A broker that has just started may not have found the group's coordinator yet.
    """
    settings = load(KafkaSettings, kafka_broker_address=address)
    try:
        return kafka_groups.group_lag(settings, group, topic)
    except KafkaException as error:
        if error.args[0].code() in PASSING or error.args[0].code() > 0:
            return None
        raise


def wait_for_no_lag(
    address: str, group: str, topic: str, timeout: float = 40, member: ManagedProcess | None = None
) -> None:
    """Wait until the group has committed the end of every partition, while ``member`` runs."""

    def is_done() -> bool:
        assert member is None or member.is_running, f"{member} ended: {member.log_lines()[-3:]}"
        return group_lag(address, group, topic) == 0

    wait_until(is_done, timeout, f"{group} to have no lag", every=0.2)
