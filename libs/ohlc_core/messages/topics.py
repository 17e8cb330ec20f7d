"""Names of topics and consumer groups, live or scoped to a backfill run."""

from typing import NamedTuple


class TopicNames(NamedTuple):
    """The topics and consumer groups of one pipeline."""

    trades: str
    ohlc: str
    trades_dlq: str
    ohlc_dlq: str
    aggregator_group: str
    writer_group: str
    run_id: str

    @property
    def is_backfill(self) -> bool:
        """Whether these are a backfill run's topics, whose records carry old timestamps."""
        return bool(self.run_id)


def topic_names(run_id: str = "") -> TopicNames:
    """Return the live names, or those of backfill run ``run_id``."""
    suffix = f".backfill.{run_id}" if run_id else ""
    return TopicNames(
        trades=f"trades{suffix}",
        ohlc=f"ohlc{suffix}",
        trades_dlq=f"trades.dlq{suffix}",
        ohlc_dlq=f"ohlc.dlq{suffix}",
        aggregator_group=f"ohlc-aggregator{suffix}",
        writer_group=f"feature-writer{suffix}",
        run_id=run_id,
    )
