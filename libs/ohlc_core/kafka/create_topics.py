"""Create a pipeline's topics once: ``python -m ohlc_core.kafka.create_topics``.

The services create them too; doing it before they start gives all the same moment to begin from.
"""

from loguru import logger

from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.service.runner import Runtime, run_service
from ohlc_core.service.setting_groups import KafkaSettings, ObservabilitySettings, RunSettings


class TopicsSettings(KafkaSettings, RunSettings, ObservabilitySettings):
    """The broker, the partitions and copies of a topic, and the run whose topics these are."""


def create(settings: TopicsSettings, _runtime: Runtime) -> None:
    """Create the topics that are not there yet."""
    names = settings.topics
    wanted = (names.trades, names.ohlc, names.trades_dlq, names.ohlc_dlq)
    ensure_topics(settings, names, wanted)
    logger.info("topics are there: {}", ", ".join(wanted))


def main() -> None:
    """Run as a process, with a service's exit codes."""
    run_service("create-topics", TopicsSettings, create)


if __name__ == "__main__":
    main()
