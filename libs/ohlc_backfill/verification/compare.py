"""Expected rows against stored ones: matching, missing, extra, different; counts and checksums.

The period is gone through in chunks of windows, so memory does not grow with it.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.stored import StoredCandles
from ohlc_core.domain.interval import Interval
from ohlc_features.schema import CANDLE_COLUMNS, FeatureRow

_CHUNK_ROWS = 5_000
_EXAMPLES = 5

#: What must be equal; ``revision`` says how a candle came to be, not what it says.
COMPARED = tuple(name for name in CANDLE_COLUMNS if name != "revision")


class Difference(msgspec.Struct, frozen=True):
    """One differing cell."""

    window_start: int
    column: str
    expected: str
    stored: str


class Comparison(msgspec.Struct):
    """The verdict over one product and interval.

    Attributes:
        expected, stored: how many rows there should be, and are.
        matching, missing, extra, different: of them.
        largest_difference: by column, for numbers.
        expected_checksum, stored_checksum: SHA-256 over all compared cells in order of window.
        examples: the first differences, and the windows of missing and extra rows.
    """

    exchange: str
    product_id: str
    interval: str
    expected: int = 0
    stored: int = 0
    matching: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    largest_difference: dict[str, float] = msgspec.field(default_factory=dict)
    expected_checksum: str = ""
    stored_checksum: str = ""
    examples: list[Difference] = msgspec.field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether the store holds exactly what it should."""
        return (
            self.missing == self.extra == self.different == 0
            and self.expected == self.stored
            and self.expected_checksum == self.stored_checksum
        )


class IntervalComparer:
    """Compares one product's rows of one interval as they are computed.

    Args:
        stored: the store.
        rows: whose rows; knows which windows are judged at all.
        interval: of the rows.
    """

    def __init__(self, stored: StoredCandles, rows: ExpectedRows, interval: Interval) -> None:
        self.result = Comparison(*rows.key, interval.text)
        self._stored = stored
        self._interval, self._rows = interval, rows
        self._from_ms = interval.first_start(rows.from_us) // 1_000
        self._to_ms = rows.to_us // 1_000
        self._chunk: list[FeatureRow] = []
        self._checksums = (hashlib.sha256(), hashlib.sha256())

    def add(self, row: FeatureRow) -> None:
        """Take the next expected row."""
        self._chunk.append(row)
        if len(self._chunk) >= _CHUNK_ROWS:
            self._compare_until(row.window_end)

    def finish(self) -> Comparison:
        """Compare what is left and return the verdict."""
        self._compare_until(self._to_ms)
        self.result.expected_checksum, self.result.stored_checksum = (
            each.hexdigest() for each in self._checksums
        )
        return self.result

    def _compare_until(self, end_ms: int) -> None:
        found = self._stored.between(self._rows.key, self._interval.text, self._from_ms, end_ms)
        judged = {
            row.window_start: row
            for row in found
            if self._rows.is_judged(row.window_start * 1_000, row.window_end * 1_000)
        }
        self._from_ms = end_ms
        chunk, self._chunk = self._chunk, []
        result = self.result
        result.expected += len(chunk)
        result.stored += len(judged)
        _digest(self._checksums[0], chunk)
        _digest(self._checksums[1], judged.values())
        for row in chunk:
            self._compare(row, judged.pop(row.window_start, None))
        result.extra += len(judged)
        for start in judged:
            self._example(Difference(start, "", "no row", "a row"))

    def _compare(self, expected: FeatureRow, stored: FeatureRow | None) -> None:
        if stored is None:
            self.result.missing += 1
            self._example(Difference(expected.window_start, "", "a row", "no row"))
            return
        columns = [name for name in COMPARED if _cell(expected, name) != _cell(stored, name)]
        if not columns:
            self.result.matching += 1
            return
        self.result.different += 1
        for name in columns:
            ours, theirs = getattr(expected, name), getattr(stored, name)
            self._example(Difference(expected.window_start, name, repr(ours), repr(theirs)))
            if isinstance(ours, int | float) and isinstance(theirs, int | float):
                largest = self.result.largest_difference
                largest[name] = max(largest.get(name, 0.0), abs(ours - theirs))

    def _example(self, difference: Difference) -> None:
        if len(self.result.examples) < _EXAMPLES:
            self.result.examples.append(difference)


def _cell(row: FeatureRow, name: str) -> object:
    value = getattr(row, name)
    # SQLite has no booleans of its own.
    return bool(value) if name == "complete" else value


def _digest(checksum: "hashlib._Hash", rows: Iterable[FeatureRow]) -> None:
    for row in rows:
        cells = [_cell(row, name) for name in COMPARED]
        checksum.update(msgspec.json.encode(cells))


class ProductComparer:
    """Compares one product's rows of all intervals.

    Args:
        stored: the store.
        rows: computes what should be there.
    """

    def __init__(self, stored: StoredCandles, rows: ExpectedRows) -> None:
        self.rows = rows
        self._comparers = {
            interval.text: IntervalComparer(stored, rows, interval) for interval in rows.intervals
        }

    def add(self, rows: Iterable[FeatureRow]) -> None:
        """Take expected rows, ascending by window within each interval."""
        for row in rows:
            self._comparers[row.candle_interval].add(row)

    def finish(self) -> list[Comparison]:
        """Return the verdicts, one an interval."""
        self.add(self.rows.finish())
        return [comparer.finish() for comparer in self._comparers.values()]
