"""The one interface behind which every source of history stands."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from ohlc_core.errors import PipelineError
from ohlc_core.messages.records import Source as SourceName
from ohlc_exchanges.base import Position
from ohlc_history.trade_table import Batch


class SourceError(PipelineError):
    """A source cannot be read; the text is one line that names it and the remedy."""


class NotTradesError(SourceError):
    """A file is whole and readable, and holds something else than trades."""


class LeftOut(NamedTuple):
    """A file that could not be used, and why."""

    part: str
    reason: str


class TradeSource(Protocol):
    """History of the products of one exchange.

    Attributes:
        name: what ``source`` says in the records.
        is_live: whether the newest trades may still be on their way into it, so that its end
            is believed only some seconds later.
        left_out: files that could not be used.
    """

    name: SourceName
    is_live: bool
    left_out: Sequence[LeftOut]

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        """Yield what the source holds of the product, in the exchange's order.

        Everything from ``from_us`` (and after ``after``, where given) up to ``to_us`` is among
        it; more may be, on either side. The end of the iterator is the end of the source.

        Raises:
            SourceError: the source cannot be read.
        """
        ...


class StoredSource(TradeSource, Protocol):
    """History that is all there when it is opened."""

    def first_us(self, product_id: str) -> int | None:
        """Return the event time of the product's first trade, or None when there is none."""
        ...
