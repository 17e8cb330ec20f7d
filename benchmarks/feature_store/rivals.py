"""The same rows into the same two tables, by the store and by the bare libraries under it."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.dialects.sqlite import insert

from ohlc_core.domain.candle import Candle
from ohlc_features.columns import COLUMNS, HISTORY_KEY, ONLINE_KEY, FeatureRow, feature_row
from ohlc_features.stores.local import LocalStore
from ohlc_features.stores.sql_tables import FeatureTables

#: Writes batches to a file and returns the seconds spent writing.
Rival = Callable[[Path, Iterable[list[Candle]]], float]


def ours(path: Path, batches: Iterable[list[Candle]]) -> float:
    """The local store: candles in, all of its rules applied."""
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    seconds = 0.0
    for batch in batches:
        begin = time.perf_counter()
        store.write(batch)
        seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    store.close()
    return seconds + time.perf_counter() - begin


def bare_sqlite3(path: Path, batches: Iterable[list[Candle]]) -> float:
    """The standard library alone: ready rows, one statement a table, the same durability."""
    new_tables(path)
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    history = _statement("ohlc_1", HISTORY_KEY, "revision")
    latest = _statement("ohlc_1_latest", ONLINE_KEY, "window_start")
    seconds = 0.0
    for batch in batches:
        rows, newest = _rows(batch)
        begin = time.perf_counter()
        with connection:
            connection.executemany(history, rows)
            connection.executemany(latest, newest)
        seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    connection.close()
    return seconds + time.perf_counter() - begin


def bare_sqlalchemy(path: Path, batches: Iterable[list[Candle]]) -> float:
    """SQLAlchemy Core as its manual shows it: ready dicts, execute with a list."""
    tables = new_tables(path)
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    statements = []
    for table, key, newer in (
        (tables.history, HISTORY_KEY, "revision"),
        (tables.latest, ONLINE_KEY, "window_start"),
    ):
        new = insert(table)
        values = {name: new.excluded[name] for name in COLUMNS if name not in key}
        statements.append(
            new.on_conflict_do_update(
                index_elements=list(key),
                set_=values,
                where=new.excluded[newer] >= table.c[newer],
            )
        )
    seconds = 0.0
    for batch in batches:
        written = [[dict(zip(COLUMNS, row, strict=True)) for row in rows] for rows in _rows(batch)]
        begin = time.perf_counter()
        with engine.begin() as connection:
            for statement, rows in zip(statements, written, strict=True):
                connection.execute(statement, rows)
        seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    engine.dispose()
    return seconds + time.perf_counter() - begin


def new_tables(path: Path) -> FeatureTables:
    """Create the store's tables in a new file."""
    tables = FeatureTables("ohlc", 1)
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    engine.dispose()
    return tables


def _rows(batch: Sequence[Candle]) -> tuple[list[FeatureRow], list[FeatureRow]]:
    """Return a batch's rows, and the newest of each product."""
    rows = [feature_row(each) for each in batch]
    return rows, list({row.product_id: row for row in rows}.values())


def _statement(table: str, key: tuple[str, ...], newer: str) -> str:
    values = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in key)
    return (
        f"insert into {table} values ({', '.join('?' * len(COLUMNS))}) "
        f"on conflict ({', '.join(key)}) do update set {values} "
        f"where excluded.{newer} >= {table}.{newer}"
    )
