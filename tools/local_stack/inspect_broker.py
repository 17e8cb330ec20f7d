"""Look at the broker: ``python -m local_stack.inspect_broker topics`` or ``... lag``.

Works on any broker the services can use, with nothing but Python. The exit codes are a service's.
"""

import argparse
import sys
from typing import NoReturn

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local_stack.broker_discovery import reach
from local_stack.settings import StackSettings
from ohlc_core.errors import BrokerUnavailableError, SettingsError
from ohlc_core.kafka.admin import wait_for_broker
from ohlc_core.kafka.groups import partition_lags
from ohlc_core.kafka.reader import TopicReader
from ohlc_core.service.clean_text import clean, printable
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load

_TIMEOUT_SECONDS = 10.0
_STATUS_SECONDS = 5.0


def topics_table(settings: KafkaSettings, admin: AdminClient) -> Table:
    """Return every topic with its partitions, copies and how many offsets it holds."""
    table = Table("topic")
    for heading in ("partitions", "copies", "records"):
        table.add_column(heading, justify="right")
    for name, topic in sorted(_topics(admin).items()):
        copies = max((len(each.replicas) for each in topic.partitions.values()), default=0)
        with TopicReader(settings, name) as reader:
            held = sum(end - low for low, end in (reader.bounds_now() or {}).values())
        table.add_row(Text(printable(name)), str(len(topic.partitions)), str(copies), f"{held:,}")
    return table


def lag_table(settings: KafkaSettings, admin: AdminClient) -> Table:
    """Return every group's committed offset and what it has not read, by partition."""
    table = Table("group", "topic")
    for heading in ("partition", "committed", "end", "lag"):
        table.add_column(heading, justify="right")
    topics = [name for name in sorted(_topics(admin)) if not name.startswith("__")]
    listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_SECONDS).result()
    for group in sorted(each.group_id for each in listed.valid):
        for each in partition_lags(settings, group, topics):
            if each.committed >= 0:
                numbers = (each.partition, each.committed, each.end, each.lag)
                table.add_row(
                    Text(printable(group)),
                    Text(printable(each.topic)),
                    *(f"{number:,}" for number in numbers),
                )
    return table


def group_lags(settings: KafkaSettings) -> dict[str, int]:
    """Return how many records each group has not read yet.

    Raises:
        BrokerUnavailableError: the broker does not answer.
    """
    quick = settings.model_copy(update={"kafka_startup_timeout_seconds": _STATUS_SECONDS})
    admin = wait_for_broker(quick)
    try:
        topics = [name for name in sorted(_topics(admin)) if not name.startswith("__")]
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_SECONDS).result()
        return {
            group: sum(
                each.lag for each in partition_lags(settings, group, topics) if each.committed >= 0
            )
            for group in sorted(each.group_id for each in listed.valid)
        }
    except KafkaException as error:
        raise BrokerUnavailableError(error.args[0].str()) from None


def _topics(admin: AdminClient) -> dict[str, TopicMetadata]:
    found: dict[str, TopicMetadata] = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    return found


def _exit_code(what: str) -> int:
    try:
        settings = reach(load(StackSettings))
        sys.stderr.write(f"broker at {settings.kafka_broker_address}\n")
        admin = wait_for_broker(settings)
        table = topics_table(settings, admin) if what == "topics" else lag_table(settings, admin)
    except SettingsError as error:
        sys.stderr.write(f"{what}: wrong setting: {clean(str(error))}\n")
        return 2
    except (BrokerUnavailableError, KafkaException) as error:
        sys.stderr.write(f"{what}: {clean(str(error))}\n")
        return 1
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0


def main() -> NoReturn:
    """Run the command."""
    parser = argparse.ArgumentParser(description="The broker's topics, or its groups' lag.")
    parser.add_argument("what", choices=("topics", "lag"))
    sys.exit(_exit_code(parser.parse_args().what))


if __name__ == "__main__":
    main()
