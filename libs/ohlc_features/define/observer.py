"""Who hears of the evaluation of features."""

from collections.abc import Callable
from typing import NamedTuple


class Observer(NamedTuple):
    """Who hears of the evaluation.

    Attributes:
        running: called with ``group.feature`` before user code runs, and with "" after.
        undefined: called with ``group.feature``, how many rows had no number although their
            candles were whole, and the first error's text ("" for none).
        rows: called with the group's table and how many rows were evaluated.
    """

    running: Callable[[str], None] = lambda _name: None
    undefined: Callable[[str, int, str], None] = lambda _name, _count, _error: None
    rows: Callable[[str, int], None] = lambda _table, _count: None
