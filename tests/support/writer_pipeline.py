"""A feature writer's topics, settings and store, and the writer as a real process."""

from pathlib import Path

from local_stack.processes import ManagedProcess
from ohlc_core.domain.candle import Candle
from ohlc_core.messages.codec import encode_candle
from ohlc_core.messages.topics import TopicNames
from support.candle_records import record_key
from support.consumer_groups import wait_for_no_lag
from support.feature_db import StoredRows, stored_rows
from support.kafka import create_topics, produce
from support.processes import Processes, Script


class WriterPipeline:
    """One run's topics and one store; writers of it are started and killed at will."""

    def __init__(self, address: str, names: TopicNames, folder: Path, processes: Processes) -> None:
        self.address = address
        self.names = names
        self.path = folder / "store" / "features.db"
        self._processes = processes

    def writer(self, **settings: str) -> Script:
        """Start a writer of this pipeline."""
        env = {
            "KAFKA_BROKER_ADDRESS": self.address,
            "RUN_ID": self.names.run_id,
            "FEATURE_STORE_URL": f"sqlite:///{self.path}",
            **settings,
        }
        return self._processes("feature-writer", env)

    def produce(self, *candles: Candle) -> None:
        """Append candles as the aggregator does."""
        self.produce_raw(*((record_key(each), encode_candle(each)) for each in candles))

    def produce_raw(self, *records: tuple[str, bytes | None]) -> None:
        """Append records as they are."""
        create_topics(self.address, self.names.ohlc)
        produce(self.address, self.names.ohlc, records)

    def wait_until_stored(self, timeout: float = 40, member: ManagedProcess | None = None) -> None:
        """Wait until the writers' group has committed the end of the topic."""
        wait_for_no_lag(self.address, self.names.writer_group, self.names.ohlc, timeout, member)

    def rows(self) -> StoredRows:
        """Return the store's contents."""
        return stored_rows(self.path)
