"""An exchange's REST history, page by page, with the pages kept on disk."""

from collections.abc import Callable, Iterator, Sequence

from loguru import logger

from ohlc_core.messages.trades_record import Source as SourceName
from ohlc_exchanges.base import (
    ExchangeAdapter,
    MalformedResponseError,
    Page,
    Position,
    Response,
)
from ohlc_exchanges.status import http_date
from ohlc_history.sources.base import LeftOut
from ohlc_history.sources.page_cache import CachedFetch
from ohlc_history.trade_table import Batch, RejectedRow, table_of

_TRIES = 4


class RestSource:
    """A `TradeSource` over an adapter's history.

    Args:
        adapter: of the exchange.
        fetch_for: the fetch to use for a product.
    """

    name: SourceName = "rest"
    is_live = True
    left_out: Sequence[LeftOut] = ()

    def __init__(self, adapter: ExchangeAdapter, fetch_for: Callable[[str], CachedFetch]) -> None:
        self._adapter = adapter
        self._fetch_for = fetch_for

    def check(self, product_id: str) -> int | None:
        """Ask the exchange about the product. Return its clock in us, where it reported it.

        Raises:
            UnknownProductError: with the exchange's own words.
            ExchangeError: it did not answer, or with another error.
        """
        response = self._fetch_for(product_id).fetch(self._adapter.product_check(product_id))
        return exchange_time_us(response)

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        """Yield the pages, following the exchange's own cursor."""
        fetch = self._fetch_for(product_id)
        try:
            yield from self._batches(product_id, from_us, after, fetch)
        finally:
            logger.info(
                "{}:{}: {} pages from disk, {} calls",
                self._adapter.name,
                product_id,
                fetch.hits,
                fetch.calls,
            )

    def _batches(
        self, product_id: str, from_us: int, after: Position | None, fetch: CachedFetch
    ) -> Iterator[Batch]:
        failures = 0
        while True:
            try:
                for page in self._pages(product_id, from_us, after, fetch):
                    fetch.page_came(has_trades=bool(page.trades))
                    if page.trades:
                        failures = 0
                        after = Position(page.trades[-1].trade_id, page.trades[-1].timestamp_us)
                    if page.trades or page.rejected:
                        yield self._batch(page)
            except MalformedResponseError as error:
                # A row that is no trade may be the exchange's slip of a moment.
                failures += 1
                if failures == _TRIES:
                    raise
                logger.warning("{}:{}: {}; asking again", self._adapter.name, product_id, error)
            else:
                return

    def _batch(self, page: Page) -> Batch:
        table = table_of(page.trades)
        if not self._adapter.has_dense_ids:
            # Ids shared by all products order them only within a moment.
            table = table.sort("timestamp_us", maintain_order=True)
        rejected = [
            RejectedRow(f"history: {row.reason}", row.payload, row.reason) for row in page.rejected
        ]
        return Batch("history", table, rejected, True, table.height + len(rejected))

    def _pages(
        self, product_id: str, from_us: int, after: Position | None, fetch: CachedFetch
    ) -> Iterator[Page]:
        if after is None:
            return self._adapter.pages_from_time(product_id, from_us, fetch)
        return self._adapter.pages_after(product_id, after, fetch)


def exchange_time_us(response: Response) -> int | None:
    """Return the exchange's clock, from the ``Date`` header, in whole seconds."""
    for name, value in response.headers.items():
        if name.lower() == "date":
            moment = http_date(value)
            return None if moment is None else int(moment.timestamp()) * 1_000_000
    return None
