"""Where history ends and the live stream takes over.

A live stream's first window is whole when it begins at or after the stream's ``start``. History
must reach up to there, or the window that the start cut would be nobody's. What both have is the
same, so overlapping does no harm.
"""

from collections.abc import Sequence

from confluent_kafka import KafkaException
from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import TopicUnreadableError
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import StartMessage
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 15.0
_START = b'{"type":"start"'

#: Nobody waits longer than this for a window that a live stream's start has cut.
LONGEST_WAIT_US = 2 * 3_600_000_000


def first_whole_window_us(start_us: int, intervals: Sequence[Interval], now_us: int) -> int:
    """Return when the first window of every interval begins that lies wholly behind the start.

    Intervals whose next window is further away than `LONGEST_WAIT_US` are left out.
    """
    begins = [interval.first_start(start_us) for interval in intervals]
    near = [begin for begin in begins if begin <= now_us + LONGEST_WAIT_US]
    if len(near) < len(begins):
        logger.warning(
            "the window in which the live stream began stays incomplete for the longest interval: "
            "run the backfill again after it has ended"
        )
    return max(near, default=start_us)


def live_start_us(
    settings: KafkaSettings, topic: str, key: ProductKey, since_us: int
) -> int | None:
    """Return ``from_us`` of the last ``start`` of the product that was appended since then.

    None where there is none, the topic included.
    """
    with TopicReader(settings, topic, patience_seconds=_TIMEOUT_SECONDS) as reader:
        try:
            ends = reader.bounds_now()
            if not ends:
                return None
            begins = reader.offsets_since(since_us // 1_000)
            ranges = {each: Bounds(begin, ends[each].end) for each, begin in begins.items()}
            name = str(key).encode()
            starts = (
                message
                for message in reader.read(ranges)
                if message.key() == name and (message.value() or b"").startswith(_START)
            )
            found = [
                record.from_us
                for _, record in decoded(starts, decode_trades_topic)
                if isinstance(record, StartMessage)
            ]
        except (KafkaException, TopicUnreadableError) as error:
            logger.warning("could not look for a live stream: {}", error)
            return None
    return found[-1] if found else None
