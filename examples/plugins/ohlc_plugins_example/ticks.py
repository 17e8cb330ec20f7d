"""History in a format of one's own: a file a product, a line ``time_us price quantity`` a trade."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl
from pydantic import Field

from ohlc_core.service.settings import EnvSettings, load
from ohlc_exchanges.base import Position
from ohlc_history.settings import HistorySettings
from ohlc_history.sources.base import LeftOut, SourceError
from ohlc_history.trade_table import TRADE_TABLE, Batch

_ROWS = 50_000


class TickSettings(EnvSettings):
    """Settings of this source alone."""

    ticks_folder: str = Field("ticks", description="folder of files such as BTC-USD.ticks")


class TickSource:
    """A `StoredSource`; its entry point calls it with the settings of the replay."""

    name = "file"
    is_live = False
    left_out: Sequence[LeftOut] = ()

    def __init__(self, settings: HistorySettings) -> None:
        self._folder = Path(load(TickSettings).ticks_folder)

    def first_us(self, product_id: str) -> int | None:
        """Return the event time of the product's first trade, or None when there is none."""
        path = self._path(product_id)
        if not path.is_file():
            return None
        with path.open(encoding="ascii") as file:
            first = file.readline().split()
        return int(first[0]) if first else None

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        """Yield all trades; what is outside the period, or known already, the replayer drops."""
        path = self._path(product_id)
        if not path.is_file():
            return
        with path.open(encoding="ascii") as file:
            while lines := [line.split() for line in islice(file, _ROWS)]:
                yield Batch(path.name, self._table(path, lines), [], False, len(lines))

    def _table(self, path: Path, lines: list[list[str]]) -> pl.DataFrame:
        try:
            times, prices, quantities = zip(*lines, strict=True)
            columns = {
                "trade_id": [None] * len(lines),
                "price": prices,
                "quantity": quantities,
                "side": ["unknown"] * len(lines),
                "timestamp_us": list(map(int, times)),
            }
        except ValueError as error:
            raise SourceError(f"{path.name}: expected time_us price quantity ({error})") from None
        return pl.DataFrame(columns, schema=TRADE_TABLE)

    def _path(self, product_id: str) -> Path:
        return self._folder / f"{product_id.replace('/', '-')}.ticks"
