"""Which trades a product has already counted: each id counts once.

Ids are kept in buckets of event time and forgotten with the windows they could still change.
Within a bucket, sequential ids are ranges (a dense stream is one range, however many trades) and
any other ids are a set.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from ohlc_core.domain.ordering import is_number
from ohlc_core.domain.state import StateStore, read_state

_INDEX = "ids"
_FAR = 1 << 61


class _Bucket(msgspec.Struct):
    ranges: list[tuple[int, int]] = msgspec.field(default_factory=list)
    others: set[str] = msgspec.field(default_factory=set)
    #: Of trades before the exchange's ids began again.
    earlier: list[tuple[int, int]] = msgspec.field(default_factory=list)

    def holds(self, number: int) -> bool:
        position = self._position(number)
        return position >= 0 and number <= self.ranges[position][1]

    def below(self, number: int) -> int | None:
        """Return the greatest id below the number."""
        position = self._position(number - 1)
        return min(self.ranges[position][1], number - 1) if position >= 0 else None

    def above(self, number: int) -> int | None:
        """Return the smallest id above the number."""
        position = self._position(number + 1)
        if position >= 0 and self.ranges[position][1] > number:
            return number + 1
        return self.ranges[position + 1][0] if position + 1 < len(self.ranges) else None

    def _position(self, number: int) -> int:
        """Return the position of the last range that begins by the number."""
        return bisect_right(self.ranges, (number, 1 << 200)) - 1

    def begin_again(self) -> None:
        """Take all sequential ids for those of before."""
        self.earlier += self.ranges
        self.ranges = []

    def add_range(self, low: int, high: int) -> None:
        ranges = self.ranges
        if ranges and ranges[-1][1] == low - 1:
            ranges[-1] = (ranges[-1][0], high)
            return
        position = bisect_right(ranges, (low, high))
        ranges.insert(position, (low, high))
        self._join(position)
        self._join(position - 1)

    def _join(self, position: int) -> None:
        ranges = self.ranges
        if 0 <= position < len(ranges) - 1 and ranges[position][1] + 1 >= ranges[position + 1][0]:
            ranges[position : position + 2] = [(ranges[position][0], ranges[position + 1][1])]


_read_bucket = msgspec.json.Decoder(_Bucket).decode
_read_index = msgspec.json.Decoder(list[int]).decode
_write = msgspec.json.Encoder().encode


class SeenIds:
    """The ids of one product's trades.

    Args:
        bucket_us: the length of a bucket.
        sequential: whether the exchange's ids count up by trade.
        highest: the greatest sequential id seen since ids began; -1 before the first.
        began_us: where the exchange's ids began again; ids of trades before it are others.
        store: where buckets are kept.
    """

    def __init__(
        self, bucket_us: int, *, sequential: bool, highest: int, began_us: int, store: StateStore
    ) -> None:
        self.highest = highest
        self._began_us = began_us
        self._store = store
        self._bucket_us = bucket_us
        self._sequential = sequential
        index = store.get(_INDEX)
        self._starts: list[int] = [] if index is None else read_state(_read_index, index, _INDEX)
        self._stored = set(self._starts)
        self._buckets: dict[int, _Bucket] = {}
        self._others: set[str] = set()
        self._changed: set[int] = set()
        self._index_changed = False

    def begin_again(self, from_us: int) -> None:
        """Note that the exchange's ids may begin again with the trades from this time on.

        All ids known are of trades before it.
        """
        self._load_all()
        self._began_us, self.highest = from_us, -1
        for start, bucket in self._buckets.items():
            if bucket.ranges:
                bucket.begin_again()
                self._changed.add(start)

    def is_known(self, trade_id: str, timestamp_us: int) -> bool:
        """Return whether a trade of this id was counted before."""
        if self._sequential and is_number(trade_id):
            number = int(trade_id)
            if timestamp_us < self._began_us:
                self._load_all()
                return any(
                    low <= number <= high
                    for bucket in self._buckets.values()
                    for low, high in bucket.earlier
                )
            if number > self.highest:
                return False
            self._load_all()
            return any(bucket.holds(number) for bucket in self._buckets.values())
        self._load_all()
        return trade_id in self._others

    def are_new_and_ascending(self, ids: Sequence[str]) -> bool:
        """Return, cheaply, whether sequential ids ascend beyond all known ones."""
        if not self._sequential:
            return False
        low, high = ids[0], ids[-1]
        if not (is_number(low) and is_number(high)) or int(low) <= self.highest:
            return False
        # Nearly always there is no id missing, and ids are quicker made than read.
        first, last = int(low), int(high)
        if last - first + 1 == len(ids) and tuple(map(str, range(first, last + 1))) == tuple(ids):
            return True
        if not all(map(is_number, ids)):
            return False
        numbers = list(map(int, ids))
        return all(map(int.__lt__, numbers, numbers[1:]))

    def dense_are_new(self, ids: range) -> bool:
        """Return, cheaply, whether these sequential ids lie beyond all known ones."""
        return self._sequential and ids[0] > self.highest

    def are_new(self, ids: Sequence[str]) -> bool:
        """Return whether none of these ids, which are no sequential ones, was counted before."""
        if self._sequential and any(map(is_number, ids)):
            return False
        self._load_all()
        distinct = set(ids)
        return len(distinct) == len(ids) and self._others.isdisjoint(distinct)

    def add(self, ids: Sequence[str], timestamp_us: int) -> None:
        """Remember ids of trades of about that time, none of which is known."""
        start = timestamp_us - timestamp_us % self._bucket_us
        bucket = self._bucket(start)
        self._changed.add(start)
        if not (self._sequential and is_number(ids[0])):
            bucket.others.update(ids)
            self._others.update(ids)
            return
        if timestamp_us < self._began_us:
            bucket.earlier += [(number, number) for number in map(int, ids)]
            return
        low, high = int(ids[0]), int(ids[-1])
        if high - low + 1 == len(ids):
            bucket.add_range(low, high)
        else:
            for number in map(int, ids):
                bucket.add_range(number, number)
        self.highest = max(self.highest, high)

    def times_around(self, first: int, last: int) -> tuple[int, int]:
        """Return a span of event time that holds the neighbours of the ids first..last.

        As narrow as the buckets say: the buckets of the greatest known id below ``first`` and of
        the smallest one above ``last``, and all between.
        """
        self._load_all()
        buckets = self._buckets.items()
        below = max(
            ((id_, s) for s, b in buckets if (id_ := b.below(first)) is not None), default=None
        )
        above = min(
            ((id_, s) for s, b in buckets if (id_ := b.above(last)) is not None), default=None
        )
        begin = -_FAR if below is None else below[1]
        end = _FAR if above is None else above[1]
        # Times need not ascend with ids.
        return min(begin, end), max(begin, end) + self._bucket_us

    def add_dense(self, ids: range, timestamp_us: int) -> None:
        """Remember sequential ids of trades of about that time, none of which is known."""
        start = timestamp_us - timestamp_us % self._bucket_us
        self._bucket(start).add_range(ids[0], ids[-1])
        self._changed.add(start)
        self.highest = max(self.highest, ids[-1])

    def forget_before(self, time_us: int) -> None:
        """Drop buckets that ended at or before the time."""
        while self._starts and self._starts[0] + self._bucket_us <= time_us:
            start = self._starts.pop(0)
            self._index_changed = True
            bucket = self._buckets.pop(start, None)
            if bucket is not None:
                self._others -= bucket.others
            self._changed.discard(start)
            if start in self._stored:
                self._stored.discard(start)
                self._store.delete(f"{_INDEX}/{start}")

    def save(self) -> None:
        """Write what changed since the last time."""
        for start in self._changed:
            self._store.set(f"{_INDEX}/{start}", _write(self._buckets[start]))
        self._stored |= self._changed
        self._changed.clear()
        if self._index_changed:
            self._store.set(_INDEX, _write(self._starts))
            self._index_changed = False

    def _bucket(self, start: int) -> _Bucket:
        bucket = self._buckets.get(start)
        if bucket is None:
            bucket = self._buckets[start] = self._read(start)
            self._others |= bucket.others
            if start not in self._stored:
                position = bisect_right(self._starts, start)
                self._starts.insert(position, start)
                self._index_changed = True
        return bucket

    def _read(self, start: int) -> _Bucket:
        name = f"{_INDEX}/{start}"
        value = self._store.get(name) if start in self._stored else None
        return _Bucket() if value is None else read_state(_read_bucket, value, name)

    def _load_all(self) -> None:
        if len(self._buckets) != len(self._starts):
            for start in tuple(self._starts):
                self._bucket(start)
