"""The replacement rule for stores that keep no condition of their own: what this process wrote."""

from collections import OrderedDict
from collections.abc import Sequence

from ohlc_features.replacement import HistoryKey, settle
from ohlc_features.schema import FeatureRow

#: Windows that are remembered: a day of 1m candles of 100 products, well beyond late revisions.
_WINDOWS = 150_000


class WrittenRows:
    """Remembers the rows that were written last, and says which new ones take their places.

    It starts empty, and knows nothing of other processes. Of a window it does not remember it
    therefore takes an incomplete correction (``revision`` above 0) for one of a row that is held:
    an incomplete row too many is left out by readers, a wrong ``complete`` is not.
    """

    def __init__(self, *, write_incomplete: bool) -> None:
        self._write_incomplete = write_incomplete
        self._rows: OrderedDict[HistoryKey, FeatureRow] = OrderedDict()

    def changes(self, rows: Sequence[FeatureRow]) -> tuple[list[FeatureRow], int]:
        """Return the rows to write, and how many incomplete ones are left out."""
        settled = settle(self._rows, rows, lambda row: self._write_incomplete or row.revision > 0)
        return list(settled.rows.values()), settled.incomplete

    def written(self, rows: Sequence[FeatureRow]) -> None:
        """Remember rows that are kept now."""
        for row in rows:
            key = row[:4]
            self._rows[key] = row
            self._rows.move_to_end(key)
        while len(self._rows) > _WINDOWS:
            self._rows.popitem(last=False)
