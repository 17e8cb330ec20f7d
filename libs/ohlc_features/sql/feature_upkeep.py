"""The store's part in features: one call per transaction keeps every feature row in step."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.define.touched import Changed, length_ms
from ohlc_features.schema import COLUMNS, FeatureRow
from ohlc_features.sql.feature_definitions import FeatureDefinitions
from ohlc_features.sql.feature_rows import FeatureRowsStore
from ohlc_features.sql.stored_candles import NUMBERS
from ohlc_features.sql.tables import FeatureTables

#: Rows that one transaction evaluates, about: other writers wait for its end.
_ROWS_IN_A_TRANSACTION = 20_000

#: Postgres' lock that makes writers of feature rows take turns, so that none misses a row whose
#: candles two of them are writing.
_LOCK = 0x6F686C63

_NUMBER_PLACES = [COLUMNS.index(name) for name in NUMBERS]
_COMPLETE = COLUMNS.index("complete")


class FeatureUpkeep:
    """Keeps the rows of some groups in step with the candles of a store.

    Args:
        groups: what to keep up; none is fine.
        tables: the candles' tables.
        dialect: the database's.
        observer: hears of the evaluation.
    """

    def __init__(
        self,
        groups: Sequence[DefinedGroup],
        tables: FeatureTables,
        dialect: Dialect,
        observer: Observer | None = None,
    ) -> None:
        self.rows = FeatureRowsStore(groups, tables.history, tables.latest, dialect, observer)
        self.definitions = FeatureDefinitions(
            self.rows, [table.name for table in tables.metadata.tables.values()]
        )
        self._is_sqlite = dialect.name == "sqlite"
        self._groups = groups
        self._state: tuple[int, int] | None = None
        self.unmaintained: list[str] = []

    def prepare(self, connection: Connection) -> None:
        """Create the groups' tables, and note which stored groups are not kept up.

        Raises:
            DefinitionError: stored rows are of other code.
        """
        if self._groups:
            self.definitions.prepare(connection)
        self.unmaintained = self.definitions.unmaintained(connection)

    def parts(self, candles: Sequence[Candle]) -> Iterator[Sequence[Candle]]:
        """Cut a batch so that each part touches a bounded number of rows."""
        work_of = {text: self._work(text) for text in {candle.interval for candle in candles}}
        begin, work = 0, 0.0
        for place, candle in enumerate(candles):
            work += work_of[candle.interval]
            if work > _ROWS_IN_A_TRANSACTION:
                yield candles[begin:place]
                begin, work = place, work_of[candle.interval]
        yield candles[begin:]

    def _work(self, interval: str) -> float:
        """Return about how many rows a candle touches that its neighbours do not."""
        if not self.rows.uses(interval):
            return 0.0
        length = length_ms(interval)
        return sum(
            max(1.0, length / length_ms(own))
            for each in self._groups
            for own in each.group.intervals
        )

    def begin(self, connection: Connection) -> None:
        """Take the writers' turn, and trust what is held only if nobody else wrote since."""
        if not self._groups:
            return
        if not self._is_sqlite:
            take_turn(connection)
            self.rows.forget()
            return
        version = connection.exec_driver_sql("PRAGMA data_version").scalar()
        # The number means something within one connection only.
        state = (id(connection.connection.dbapi_connection), int(version or 0))
        if state != self._state:
            self.rows.forget()
        self._state = state

    def keep_up(
        self,
        connection: Connection,
        batch: Iterable[FeatureRow],
        stored: Iterable[FeatureRow],
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Evaluate the rows that a batch touches.

        Args:
            connection: within the transaction that stored the batch.
            batch: all its candles, whether they changed anything or not: a row is then right
                whatever happened to earlier attempts.
            stored: the candles whose rows were written.
            on_step: called between steps of the work.
        """
        if not self._groups:
            return
        self.rows.written(_numbers(row) for row in stored)
        changed: dict[str, list[Changed]] = defaultdict(list)
        for row in batch:
            if self.rows.uses(row.candle_interval):
                changed[row.exchange].append(
                    Changed(row.product_id, row.candle_interval, row.window_end)
                )
        on_step()
        self.rows.update(connection, changed, on_step)

    def failed(self) -> None:
        """Note that the transaction was rolled back."""
        self.rows.forget()
        self._state = None


def take_turn(connection: Connection) -> None:
    """Wait for the other writers of rows that depend on each other, until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _numbers(row: FeatureRow) -> tuple[Any, ...]:
    return (
        row.exchange,
        row.product_id,
        row.candle_interval,
        row.window_end,
        *(row[place] for place in _NUMBER_PLACES),
        row[_COMPLETE],
    )
