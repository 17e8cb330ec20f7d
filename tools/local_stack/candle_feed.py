"""The candles of a run, as they close."""

from ohlc_core.domain.candle import Candle
from ohlc_core.errors import MalformedMessageError
from ohlc_core.kafka.follower import TopicFollower
from ohlc_core.messages.codec import decode_candle
from ohlc_core.service.setting_groups import KafkaSettings


class CandleFeed:
    """The candles that close from now on."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._reader = TopicFollower(settings, topic, from_end=True)

    def read(self, timeout: float) -> list[Candle]:
        """Return candles that closed, waiting up to ``timeout`` seconds for the first."""
        candles = []
        for message in self._reader.read(timeout):
            try:
                candles.append(decode_candle(message.value() or b""))
            except MalformedMessageError:
                continue  # not this view's to judge: the writer rejects it with its reason
        return candles

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
