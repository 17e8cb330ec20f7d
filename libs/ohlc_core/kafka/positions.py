"""Where reading stands in each partition: behind the last record that was taken in order.

Only such a position may be committed. Offsets that were passed over are kept apart until it is
known why: the log has offsets without a record (ends of transactions, aborted or compacted
records), but a client that passes over a record loses it.
"""

from typing import NamedTuple


class Skip(NamedTuple):
    """Offsets ``first`` to ``end`` (exclusive) of a partition that were passed over."""

    partition: int
    first: int
    end: int


class ReadPositions:
    """The position of each partition that is being read."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._skips: list[Skip] = []

    def start(self, partition: int, offset: int) -> None:
        """Begin to read the partition at ``offset``, or begin again there."""
        self.forget(partition)
        self._next[partition] = offset

    def forget(self, partition: int) -> None:
        """The partition is not read any more."""
        self._next.pop(partition, None)
        self._skips = [each for each in self._skips if each.partition != partition]

    def take(self, partition: int, offset: int) -> bool:
        """Note the record at ``offset``; return whether the partition is being read at all."""
        if partition not in self._next:
            return False
        self._advance(partition, offset, offset + 1)
        return True

    def reach(self, partition: int, offset: int) -> None:
        """Note that the partition has nothing before ``offset`` that was not delivered."""
        if partition in self._next:
            self._advance(partition, offset, offset)

    def skips(self) -> list[Skip]:
        """Return what was passed over since `explained` was called."""
        return list(self._skips)

    def explained(self) -> None:
        """Every skip up to now is known to hold no record."""
        self._skips.clear()

    def all(self) -> dict[int, int]:
        """Return each partition's position."""
        return dict(self._next)

    def _advance(self, partition: int, offset: int, following: int) -> None:
        expected = self._next[partition]
        if offset > expected:
            self._skips.append(Skip(partition, expected, offset))
        # A record that comes again moves nothing.
        self._next[partition] = max(expected, following)
