"""Live behind a backfill of the past: where a live run begins when only the store has history.

START_FROM=last begins at the current window where the topic is empty, which would leave a hole
behind a store that was backfilled days ago. The live run then begins where the store ends.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from local_stack.settings import StackSettings
from ohlc_backfill.record_count import RecordCount
from ohlc_backfill.verification.stored import stored_candles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.messages.topics import topic_names
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from ohlc_exchanges.settings import ProductSettings
from ohlc_history.sources.base import SourceError
from trade_producer.settings import ProducerSettings

#: A live stream fills so much at most before it is live; a backfill is quicker for more.
LONGEST_FILL = timedelta(days=7)


class Beginning(NamedTuple):
    """Where a live run begins.

    Attributes:
        settings: for the producer.
        note: for the user; "" for nothing to say.
    """

    settings: dict[str, str]
    note: str = ""


def beginning(settings: StackSettings, kafka: KafkaSettings, now: datetime) -> Beginning:
    """Return where the live run begins, given the store and the topic as they are."""
    if "start_from" in load(ProducerSettings).model_fields_set:
        return Beginning({})
    end = _store_end(settings)
    if end is None or end >= now or not _is_empty(kafka, topic_names().trades):
        return Beginning({})
    if now - end > LONGEST_FILL:
        day = end.date()
        return Beginning(
            {}, f"the store ends on {day}; `from_day={day} make backfill` fills what is missing"
        )
    text = end.isoformat()
    return Beginning({"START_FROM": text}, f"live begins at {text}, where the store ends")


def _store_end(settings: StackSettings) -> datetime | None:
    """Return until when every product of the run that is in the store is whole there."""
    if settings.feature_store != "local":
        return None
    products = load(ProductSettings)
    longest = max(settings.ohlc_intervals, key=lambda text: Interval.parse(text).us)
    try:
        with stored_candles(settings) as stored:
            spans = [
                stored.span(ProductKey(products.exchange, product_id), longest)
                for product_id in products.product_ids
            ]
    except SourceError:
        return None  # none yet
    known = [span.end_ms for span in spans if span is not None]
    return datetime.fromtimestamp(min(known) / 1_000, UTC) if known else None


def _is_empty(kafka: KafkaSettings, topic: str) -> bool:
    records = RecordCount(kafka, topic)
    try:
        return not records()
    finally:
        records.close()
