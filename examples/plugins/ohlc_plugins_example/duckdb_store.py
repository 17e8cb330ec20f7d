"""Candles in a DuckDB file: the table ``candles``, a row for each window."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import duckdb
from pydantic import Field

from ohlc_core.domain.candle import Candle
from ohlc_core.service.settings import EnvSettings, load
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.replacement import HistoryKey, settle
from ohlc_features.schema import (
    COLUMNS,
    HISTORY_KEY,
    FeatureRow,
    Kind,
    Origin,
    by_kind,
    feature_row,
)
from ohlc_features.settings import FeatureStoreSettings

_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.TIME: "BIGINT",
    Kind.DOUBLE: "DOUBLE",
    Kind.COUNT: "INTEGER",
    Kind.FLAG: "BOOLEAN",
}


class DuckSettings(EnvSettings):
    """Settings of this store alone."""

    duckdb_path: str = Field("data/candles.duckdb", description="path of the DuckDB file")


class DuckStore:
    """Keeps candles by the product's own replacement rule."""

    def __init__(self, path: str, *, origin: Origin, write_incomplete: bool) -> None:
        self._origin = origin
        self._write_incomplete = write_incomplete
        columns = ", ".join(f"{name} {kind}" for name, kind in by_kind(_TYPES.__getitem__).items())
        try:
            self._database = duckdb.connect(path)
            self._database.execute(
                f"CREATE TABLE IF NOT EXISTS candles ({columns}, "
                f"PRIMARY KEY ({', '.join(HISTORY_KEY)}))"
            )
        except duckdb.Error as error:
            raise StoreUnavailableError(f"DUCKDB_PATH {path}: {_one_line(error)}") from None

    def write(self, candles: Sequence[Candle]) -> int:
        """Keep candles in one transaction; return how many incomplete ones were left out."""
        now_ms = time.time_ns() // 1_000_000
        rows = [feature_row(candle, self._origin, now_ms) for candle in candles]
        try:
            with self._database.cursor() as cursor:
                cursor.begin()
                held = {row[:4]: row for row in self._held(cursor, {row[:4] for row in rows})}
                settled = settle(held, rows, lambda _row: self._write_incomplete)
                if settled.rows:
                    cursor.executemany(
                        f"INSERT OR REPLACE INTO candles VALUES ({', '.join('?' * len(COLUMNS))})",
                        [list(row) for row in settled.rows.values()],
                    )
                cursor.commit()
        except duckdb.Error as error:
            raise StoreUnavailableError(_one_line(error)) from None
        return settled.incomplete

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _held(self, cursor: Any, keys: Iterable[HistoryKey]) -> list[FeatureRow]:  # noqa: ANN401
        found: list[FeatureRow] = []
        for key in keys:
            row = cursor.execute(
                f"SELECT * FROM candles WHERE ({', '.join(HISTORY_KEY)}) = (?, ?, ?, ?)", list(key)
            ).fetchone()
            if row is not None:
                found.append(FeatureRow._make(row))
        return found


def open_store(
    settings: FeatureStoreSettings,
    *,
    origin: Origin,
    write_incomplete: bool,
    definitions: Sequence[object],
    observer: object,
) -> DuckStore:
    """Open the store for writing."""
    if definitions:
        raise StoreRejectedError("FEATURE_STORE=duckdb keeps no feature groups; unset them")
    return DuckStore(
        load(DuckSettings).duckdb_path, origin=origin, write_incomplete=write_incomplete
    )


def open_reading(settings: FeatureStoreSettings) -> NoReturn:
    """Refuse: DuckDB's own tools read the file."""
    raise StoreRejectedError("FEATURE_STORE=duckdb is read with DuckDB: SELECT * FROM candles")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
