"""Reads small files of history the way a replay does."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ohlc_core.domain.trade import ProductKey
from ohlc_history.read_history import Step, Wanted, read_history
from ohlc_history.sources.history_files import FileSource
from ohlc_history.trade_table import TRADE_TABLE

T0 = 1_704_067_200  # 2024-01-01
_ALL = 1 << 52


class Taken:
    """What a replay of one product takes from files."""

    def __init__(self, steps: Iterator[Step]) -> None:
        held = list(steps)
        tables = [step.fresh.table for step in held]
        self.table = pl.concat(tables) if tables else pl.DataFrame(schema=TRADE_TABLE)
        self.rejected = [row for step in held for row in step.rejected]
        self.repeated = sum(step.repeated for step in held)
        self.missing = sum(step.missing for step in held)

    @property
    def ids(self) -> list[str]:
        """The trades' ids, in order."""
        return self.table["trade_id"].to_list()

    @property
    def prices(self) -> list[str]:
        """The trades' prices, in order."""
        return self.table["price"].to_list()


def opened(path: Path | str, *product_ids: str, sequential: bool = True) -> FileSource:
    """Open the files at a path."""
    return FileSource(str(path), product_ids or ("BTC/USD",), sequential=sequential)


def taken(
    path: Path | str,
    product_id: str = "BTC/USD",
    *,
    sequential: bool = True,
    from_us: int = 0,
    to_us: int = _ALL,
) -> Taken:
    """Return what a replay takes of the product from the files at a path."""
    exchange = "kraken" if sequential else "bitstamp"
    source = opened(path, product_id, sequential=sequential)
    wanted = Wanted(ProductKey(exchange, product_id), from_us, to_us)
    return Taken(read_history(source, wanted))


def written(path: Path, *lines: str) -> Path:
    """Write a text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
