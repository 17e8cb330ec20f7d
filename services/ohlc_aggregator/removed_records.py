"""Notices records that were removed from the trades topic before they were read.

Retention, an operator, or a topic that was made again can take records away. A consumer goes on
at the earliest record left, and librdkafka says nothing. What the products of the partition lack
since their last trade is then unknown: a gap of each of them, until its next trade.

That has to survive a crash. The count of removals of a partition lies in its state, next to its
products, and each product keeps the count it has taken notice of: so a product that was quiet
meanwhile learns of the removal with its next record. Until the first checkpoint behind a removal
the group's committed offset carries the old position as metadata.

A topic that was made again while nothing read it may reach as far as the old one did, or further.
The offset then says nothing; the broker's id of the topic does, and lies in the partition's state.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from loguru import logger

from ohlc_aggregator.metrics import REMOVED
from ohlc_core.domain.ordering import is_number
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import StateStore, read_state

#: The metadata of a committed offset that stands for an older one.
METADATA = "read-up-to:"
_COUNT = "removals"
_TOPIC_ID = "topic-id"
_KEPT = 100
_read_count = msgspec.json.Decoder(int).decode


class Bounds(NamedTuple):
    """The first offset a partition holds, and the one behind its last."""

    low: int
    high: int


class RemovedRecords:
    """What was removed unread, by partition.

    Args:
        topic: whose partitions.
        bounds: asks the broker for the bounds of a partition.
        topic_id: the broker's id of this creation of the topic; "" where it gives none.
    """

    def __init__(self, topic: str, bounds: Callable[[int], Bounds], topic_id: str = "") -> None:
        self._topic = topic
        self._topic_id = topic_id.encode()
        self._same_topic: set[int] = set()
        self._bounds = bounds
        self._next: dict[int, int] = {}
        self._low: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._found: list[dict[str, Any]] = []
        self._open: dict[int, dict[str, Any]] = {}

    def assigned(self, partition: int, committed: int, metadata: str, bounds: Bounds) -> int | None:
        """Note where reading goes on, when a partition is assigned.

        Args:
            partition: which.
            committed: the group's offset; negative where there is none.
            metadata: of that offset.
            bounds: of the partition.

        Returns:
            The offset to commit with `METADATA` first, where records were removed; else None.
        """
        REMOVED.labels(str(partition))  # from 0 on, so that the first one shows
        self._low[partition] = bounds.low
        self._counts.pop(partition, None)
        self._same_topic.discard(partition)
        self._open.pop(partition, None)
        read_up_to = metadata.removeprefix(METADATA)
        if metadata.startswith(METADATA) and is_number(read_up_to):
            self._next[partition] = int(read_up_to)
            return None
        self._next[partition] = committed if committed >= 0 else bounds.low
        if committed >= 0 and not bounds.low <= committed <= bounds.high:
            return bounds.low
        return None

    def read(self, partition: int, offset: int, state: StateStore, timestamp_ms: int) -> None:
        """Note the next record of a partition."""
        expected = self._next.get(partition, offset)
        self._next[partition] = offset + 1
        is_another = self._is_another_topic(partition, state)
        if offset == expected and not is_another:
            return
        bounds = self._bounds(partition)
        # Offsets may jump by themselves, behind a transaction for example.
        if is_another or offset < expected or bounds.low > expected:
            count = self._count(partition, state) + 1
            self._counts[partition] = count
            state.set(_COUNT, str(count).encode())
            first_left = bounds.low if is_another else min(offset, bounds.low)
            self._note(partition, expected, first_left, timestamp_ms, is_another=is_another)

    def comes_again(self, partition: int, offset: int) -> None:
        """Expect the record just read once more."""
        self._next[partition] = offset

    def concerns(
        self, partition: int, state: StateStore, product: ProductCandles, *, begins: bool
    ) -> bool:
        """Return whether the product has to count what was removed as a gap.

        A product without a state, of a partition that lost its beginning, may have lost its own,
        unless this record says that it begins here.
        """
        count = self._count(partition, state)
        was_new, product.is_new = product.is_new, False
        if was_new:
            product.removals = count
            return self._low.get(partition, 0) > 0 and not begins
        if product.removals == count:
            return False
        product.removals = count
        self._widen(partition, product)
        return True

    def report(self) -> list[dict[str, Any]]:
        """Return what was found since the start, for ``/status``."""
        return [dict(each) for each in self._found[-_KEPT:]]

    def _is_another_topic(self, partition: int, state: StateStore) -> bool:
        """Return whether the state was made from an earlier topic of this name; once."""
        if partition in self._same_topic or not self._topic_id:
            return False
        self._same_topic.add(partition)
        before = state.get(_TOPIC_ID)
        if before == self._topic_id:
            return False
        state.set(_TOPIC_ID, self._topic_id)
        return before is not None

    def _count(self, partition: int, state: StateStore) -> int:
        count = self._counts.get(partition)
        if count is None:
            value = state.get(_COUNT)
            count = self._counts[partition] = (
                0 if value is None else read_state(_read_count, value, _COUNT)
            )
        return count

    def _note(
        self,
        partition: int,
        expected: int,
        first_left: int,
        timestamp_ms: int,
        *,
        is_another: bool,
    ) -> None:
        removed = first_left - expected
        if removed > 0 and not is_another:
            REMOVED.labels(str(partition)).inc(removed)
            what = f"the records at offsets {expected} to {first_left - 1} of {self._topic} "
            what += f"[{partition}] were removed before they were read"
        else:
            REMOVED.labels(str(partition)).inc()
            what = f"{self._topic} [{partition}] was made again: it begins at {first_left}, "
            what += f"and was read up to {expected}"
        found: dict[str, Any] = {
            "partition": partition,
            "first_offset": expected,
            "last_offset": first_left - 1,
            "message": what,
            "from_us": None,
            "to_us": timestamp_ms * 1_000,
            "repair": "",
        }
        self._found.append(found)
        self._open[partition] = found

    def _widen(self, partition: int, product: ProductCandles) -> None:
        """Let the span to repair begin at the product's last trade; log the first product's."""
        found = self._open.get(partition)
        if found is None:
            return
        last_us = product.last_trade_us
        first = found["from_us"] is None
        if last_us is not None and (first or last_us < found["from_us"]):
            found["from_us"] = last_us
        from_us = found["from_us"] or found["to_us"]
        found["repair"] = (
            f"from_day={_day(from_us)} to_day={_day(found['to_us'], days=1)} make backfill"
        )
        if first:
            logger.error(
                "{}: the candles of its products are incomplete from the last trade read to the "
                "next one; repair them with `{}` (all of it: /status)",
                found["message"],
                found["repair"],
            )


def _day(time_us: int, days: int = 0) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us, days=days)
    return moment.date().isoformat()
