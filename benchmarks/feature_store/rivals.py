"""The same rows into the same two tables, by the store and by the bare libraries under it."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine, event
from sqlalchemy.dialects.sqlite import insert

from ohlc_core.domain.candle import Candle
from ohlc_features.schema import COLUMNS, HISTORY_KEY, ONLINE_KEY, Value, feature_values
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.tables import FeatureTables

Row = tuple[Value, ...]


class Spent(NamedTuple):
    """What writing took: seconds on the clock, and of this process's CPU."""

    wall: float
    cpu: float


class Stopwatch:
    """Adds up the time of the ``with`` blocks it is used in."""

    def __init__(self) -> None:
        self.spent = Spent(0, 0)

    def __enter__(self) -> None:
        self._begin = Spent(time.perf_counter(), time.process_time())

    def __exit__(self, *_: object) -> None:
        wall = time.perf_counter() - self._begin.wall
        cpu = time.process_time() - self._begin.cpu
        self.spent = Spent(self.spent.wall + wall, self.spent.cpu + cpu)


#: Writes batches to a file and returns what the writing took.
Rival = Callable[[Path, Iterable[list[Candle]]], Spent]


def ours(path: Path, batches: Iterable[list[Candle]]) -> Spent:
    """The local store: candles in, all of its rules applied."""
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    watch = Stopwatch()
    for batch in batches:
        with watch:
            store.write(batch)
    with watch:
        store.close()
    return watch.spent


def bare_sqlite3(path: Path, batches: Iterable[list[Candle]]) -> Spent:
    """The standard library alone: ready rows, one statement a table, the same durability."""
    return _sqlite3(path, batches, is_ready=True)


def bare_sqlite3_from_candles(path: Path, batches: Iterable[list[Candle]]) -> Spent:
    """The same, with making rows out of candles counted, as it is for ours."""
    return _sqlite3(path, batches, is_ready=False)


def _sqlite3(path: Path, batches: Iterable[list[Candle]], *, is_ready: bool) -> Spent:
    new_tables(path)
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    history = _statement("ohlc_1", HISTORY_KEY, "revision")
    latest = _statement("ohlc_1_latest", ONLINE_KEY, "window_start")
    making, writing = Stopwatch(), Stopwatch()
    for batch in batches:
        with making:
            rows, newest = _rows(batch)
        with writing, connection:
            connection.executemany(history, rows)
            connection.executemany(latest, newest)
    with writing:
        connection.close()
    if is_ready:
        return writing.spent
    return Spent(*(sum(both) for both in zip(making.spent, writing.spent, strict=True)))


def bare_sqlalchemy(path: Path, batches: Iterable[list[Candle]]) -> Spent:
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
    watch = Stopwatch()
    for batch in batches:
        written = [[dict(zip(COLUMNS, row, strict=True)) for row in rows] for rows in _rows(batch)]
        with watch, engine.begin() as connection:
            for statement, rows in zip(statements, written, strict=True):
                connection.execute(statement, rows)
    with watch:
        engine.dispose()
    return watch.spent


def new_tables(path: Path) -> FeatureTables:
    """Create the store's tables in a new file."""
    tables = FeatureTables("ohlc", 1)
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    engine.dispose()
    return tables


def _rows(batch: Sequence[Candle]) -> tuple[list[Row], list[Row]]:
    """Return a batch's rows, and the newest of each product."""
    rows = [tuple(feature_values(each)) for each in batch]
    return rows, list({row[1]: row for row in rows}.values())


def _statement(table: str, key: tuple[str, ...], newer: str) -> str:
    values = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in key)
    return (
        f"insert into {table} values ({', '.join('?' * len(COLUMNS))}) "
        f"on conflict ({', '.join(key)}) do update set {values} "
        f"where excluded.{newer} >= {table}.{newer}"
    )
