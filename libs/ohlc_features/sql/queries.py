"""The texts of the reading queries, with positional parameters."""

from typing import NamedTuple

from sqlalchemy import Dialect, Table

from ohlc_features.reading.frames import STAND_IN_FOR_NULL
from ohlc_features.reading.groups import LEADING, StoredFeature, StoredGroup
from ohlc_features.reading.source import CandleRange
from ohlc_features.schema import COLUMNS, HISTORY_KEY, ONLINE_KEY, REPLACED_AT
from ohlc_features.sql.feature_tables import DEFINITIONS
from ohlc_features.sql.tables import FeatureTables


class Query(NamedTuple):
    """A text and its parameters."""

    text: str
    values: tuple[object, ...]


class Queries:
    """Queries of one store's tables.

    Args:
        tables: the tables.
        dialect: the database's.
    """

    def __init__(self, tables: FeatureTables, dialect: Dialect) -> None:
        self._mark = "?" if dialect.name == "sqlite" else "%s"
        self._quoted = dialect.identifier_preparer.format_table
        self._tables = tables

    def history(self, wanted: CandleRange) -> Query:
        """Rows of the history in the order of the key, with stand-ins for nulls."""
        query = self._rows(self._tables.history, wanted, _BULK)
        # SQLite's rows lie in this order.
        return query._replace(text=f"{query.text} ORDER BY {', '.join(HISTORY_KEY)}")

    def latest(self, wanted: CandleRange) -> Query:
        """Newest rows, as they are."""
        return self._rows(self._tables.latest, wanted._replace(start_ms=None, end_ms=None), _PLAIN)

    def versions(self, wanted: CandleRange) -> Query:
        """Rows of the history and those they replaced, with stand-ins; 0: not replaced."""
        wanted = wanted._replace(include_incomplete=True)
        standing = self._rows(self._tables.history, wanted, f"{_BULK}, 0 AS {REPLACED_AT}")
        replaced = self._rows(self._tables.replaced, wanted, f"{_BULK}, {REPLACED_AT}")
        return Query(
            f"{standing.text} UNION ALL {replaced.text}", standing.values + replaced.values
        )

    def last_starts(self, wanted: CandleRange, moment_ms: int) -> Query:
        """The start of each product's last window that had ended by a moment."""
        rows = self._rows(
            self._tables.history, wanted._replace(start_ms=None, end_ms=None), "max(window_start)"
        )
        text = f"{rows.text} AND window_end <= {self._mark} GROUP BY product_id"
        return Query(text, (*rows.values, moment_ms))

    def span(self, exchange: str, product_id: str, interval: str | None) -> Query:
        """The first window's start and the last one's end of a product."""
        history, mark = self._quoted(self._tables.history), self._mark
        text = (
            f"SELECT min(window_start), max(window_end) FROM {history} "
            f"WHERE exchange = {mark} AND product_id = {mark}"
        )
        if interval is None:
            return Query(text, (exchange, product_id))
        return Query(f"{text} AND candle_interval = {mark}", (exchange, product_id, interval))

    def keys(self) -> Query:
        """What has a newest row."""
        names = ", ".join(ONLINE_KEY)
        return Query(
            f"SELECT {names} FROM {self._quoted(self._tables.latest)} ORDER BY {names}", ()
        )

    def feature_rows(self, group: StoredGroup, wanted: CandleRange) -> Query:
        """Rows of a feature group, with a stand-in for nulls, in the order of the key."""
        features = (f"coalesce({each.feature}, 9e999) AS {each.feature}" for each in group.features)
        if self._mark != "?":
            features = (
                f"coalesce({each.feature}, 'Infinity') AS {each.feature}" for each in group.features
            )
        columns = ", ".join((*LEADING, *features, "complete"))
        rows = self._from(group.table, wanted, columns)
        return rows._replace(text=f"{rows.text} ORDER BY {', '.join(HISTORY_KEY)}")

    def latest_feature_row(self, group: StoredGroup, wanted: CandleRange) -> Query:
        """The newest row of a feature group: window_end, its features, complete.

        Then the end of the newest candle. One statement: a writer commits both together.
        """
        whatever = wanted._replace(start_ms=None, end_ms=None, include_incomplete=True)
        candle = self._rows(self._tables.latest, whatever, "max(window_end)")
        names = ("window_end", *(each.feature for each in group.features), "complete")
        columns = ", ".join((*names, f"({candle.text})"))
        row = self._from(f"{group.table}_latest", whatever, columns)
        return row._replace(values=candle.values + row.values)

    def definitions(self) -> Query:
        """The lines of ``feature_definitions``."""
        names = ", ".join(StoredFeature._fields)
        return Query(
            f"SELECT {names} FROM {DEFINITIONS} ORDER BY feature_group, version, feature", ()
        )

    def _rows(self, table: Table, wanted: CandleRange, columns: str) -> Query:
        return self._from(self._quoted(table), wanted, columns)

    def _from(self, table: str, wanted: CandleRange, columns: str) -> Query:
        mark = self._mark
        conditions = [f"exchange = {mark}", f"candle_interval = {mark}"]
        values: list[object] = [wanted.exchange, wanted.interval]
        if wanted.product_ids is not None:
            marks = ", ".join([mark] * len(wanted.product_ids))
            conditions.append(f"product_id IN ({marks})" if marks else "1 = 0")
            values += wanted.product_ids
        if wanted.start_ms is not None:
            conditions.append(f"window_start >= {mark}")
            values.append(wanted.start_ms)
        if wanted.end_ms is not None:
            conditions.append(f"window_start < {mark}")
            values.append(wanted.end_ms)
        if not wanted.include_incomplete:
            conditions.append("complete")
        text = f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions)}"
        return Query(text, tuple(values))


_PLAIN = ", ".join(COLUMNS)


def _bulk(name: str) -> str:
    """Return a column with its stand-in for null.

    A bulk reader takes a column's type from its first rows and refuses a text after many nulls.
    """
    if name not in STAND_IN_FOR_NULL:
        return name
    return f"coalesce({name}, {STAND_IN_FOR_NULL[name]!r}) AS {name}"


#: Columns that a range names itself: a million equal texts need not be read.
NAMED_BY_RANGE = ("exchange", "candle_interval")
_BULK = ", ".join(_bulk(name) for name in COLUMNS if name not in NAMED_BY_RANGE)
