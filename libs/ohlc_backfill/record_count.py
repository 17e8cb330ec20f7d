"""How many records a topic holds, by its offsets: the candles of a run, for example."""

from confluent_kafka import KafkaException

from ohlc_core.kafka.reader import TopicReader
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 2.0


class RecordCount:
    """Counts a topic's records without reading them.

    Args:
        settings: how to reach the broker.
        topic: whose records.
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._reader = TopicReader(settings, topic)

    def __call__(self) -> int | None:
        """Return the count, or None while there is no such topic or no answer."""
        try:
            bounds = self._reader.bounds_now(_TIMEOUT_SECONDS)
        except KafkaException:
            return None
        return None if bounds is None else sum(end - low for low, end in bounds.values())

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
