"""Encodes what a product's stream decided as records of the topics."""

from ohlc_core.domain.trade import ProductKey
from ohlc_core.messages.codec import encode, encode_trades
from ohlc_core.messages.records import DeadLetter, GapMessage, StartMessage, WatermarkMessage
from trade_producer.append_delay import AppendDelay
from trade_producer.metrics import Metrics
from trade_producer.notices import Sampler
from trade_producer.stream_outputs import Append, Begin, Gap, Output, Reject
from trade_producer.topic_writer import TopicWriter

_MAX_TRADES = 500
# Dead letters a minute before they are sampled.
_MAX_LETTERS = 600


class RecordEncoder:
    """Writes outputs as the contract's records, with the event time as their timestamp."""

    def __init__(self, writer: TopicWriter, metrics: Metrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self.delay = AppendDelay(metrics.append_delay)
        self._sampler = Sampler(_MAX_LETTERS)

    def append(self, key: ProductKey, outputs: list[Output], known_us: int, address: str) -> None:
        """Append the outputs in order.

        Args:
            key: the product.
            outputs: what its stream decided.
            known_us: an event time of the product, for a gap before its first trade.
            address: where rejected trades came from.
        """
        for output in outputs:
            if isinstance(output, Append):
                known_us = self._trades(key, output)
            elif isinstance(output, Begin):
                known_us = output.from_us
                start = StartMessage(key.exchange, key.product_id, output.from_us)
                self._writer.append(key, encode(start), output.from_us)
            elif isinstance(output, Gap):
                self._gap(key, output, known_us)
            else:
                self._reject(key, output, address)

    def watermark(self, key: ProductKey, watermark_us: int) -> None:
        """Append a watermark."""
        message = WatermarkMessage(key.exchange, key.product_id, watermark_us)
        self._writer.append(key, encode(message), watermark_us)
        self._metrics.watermarks.labels(key.product_id).inc()

    def reject(self, exchange: str, address: str, detail: str, payload: str) -> None:
        """Put a malformed frame, or the malformed part of one, into the dead-letter topic.

        All are counted; beyond a rate only a sample of them is written.
        """
        self._metrics.malformed.inc()
        if not self._sampler.passes():
            self._metrics.dead_letters_left_out.inc()
            return
        letter = DeadLetter("malformed", detail, address, -1, -1, payload)
        self._writer.dead_letter(exchange, encode(letter))

    def _reject(self, key: ProductKey, rejected: Reject, address: str) -> None:
        for trade in rejected.trades:
            self.reject(key.exchange, address, rejected.reason, f"{key.product_id} {trade}")

    def _trades(self, key: ProductKey, output: Append) -> int:
        trades = output.trades
        for begin in range(0, len(trades), _MAX_TRADES):
            part = trades[begin : begin + _MAX_TRADES]
            value = encode_trades(key.exchange, key.product_id, output.source, part)
            event_us = part[-1].timestamp_us
            probe = self.delay.probe(event_us) if output.source == "websocket" else None
            self._writer.append(key, value, event_us, len(part), probe)
        self._metrics.queued.labels(key.product_id).inc(len(trades))
        return trades[-1].timestamp_us

    def _gap(self, key: ProductKey, gap: Gap, known_us: int) -> None:
        message = GapMessage(
            key.exchange, key.product_id, str(gap.first_missing_id), str(gap.last_missing_id)
        )
        self._writer.append(key, encode(message), known_us)
        missing = gap.last_missing_id - gap.first_missing_id + 1
        self._metrics.gaps_unresolved.labels(key.product_id).inc()
        self._metrics.ids_unresolved.labels(key.product_id).inc(missing)
