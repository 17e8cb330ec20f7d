"""Who hears of the evaluation of features."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Observer(NamedTuple):
    """Who hears of the evaluation.

    Attributes:
        running: called with ``group.feature`` before user code runs, and with "" after.
        undefined: called with ``group.feature``, how many rows had no number although their
            candles were whole, and the first error's text ("" for none).
        rows: called with the group's table and how many rows were evaluated.
        stored: called with the group's table and the rows written, in the order of its columns,
            before the transaction is committed: it may still be rolled back.
    """

    running: Callable[[str], None] = lambda _name: None
    undefined: Callable[[str, int, str], None] = lambda _name, _count, _error: None
    rows: Callable[[str, int], None] = lambda _table, _count: None
    stored: Callable[[str, Sequence[Sequence[Any]]], None] = lambda _table, _rows: None
