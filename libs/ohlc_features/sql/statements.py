"""The statements that keep the store's promises, as texts with positional parameters.

Every writer asks the same questions of the tables in one transaction: which rows are held, which
stay, which is the newest. The rule itself is `ohlc_features.replacement.rank`; here it is a
condition, so the database has the last word, whoever else writes.
"""

from typing import Any

from sqlalchemy import ColumnElement, Dialect, Table, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from ohlc_features.replacement import rank
from ohlc_features.schema import COLUMNS, HISTORY_KEY, ONLINE_KEY, REPLACED_AT
from ohlc_features.sql.tables import FeatureTables

#: Parameters of one range in `Statements.held`.
_RANGE_TYPES = ("text", "text", "text", "bigint", "bigint")


class Statements:
    """The statements of one store.

    Attributes:
        add: a row of a window that is not held; changes nothing where it is after all.
        replace: a row over a held one that ranks below it or with it.
        keep_replaced: copies the held row of a window; ``replaced_at`` and the history's key.
        set_latest: a complete row as the newest, unless a newer window is.
        drop_latest: removes the newest row where it is the window given by the history's key.
        find_latest: puts the newest complete row of the online key in the place left empty.
        restamp, restamp_latest, restamp_replaced: another time of writing; new, old, key.
    """

    def __init__(self, tables: FeatureTables, dialect: Dialect) -> None:
        self._is_sqlite = dialect.name == "sqlite"
        self._mark = "?" if self._is_sqlite else "%s"
        quoted = dialect.identifier_preparer.format_table
        history, latest, replaced = map(quoted, (tables.history, tables.latest, tables.replaced))
        self._history = history
        columns = ", ".join(COLUMNS)
        window, product = self._equal(HISTORY_KEY), self._equal(ONLINE_KEY)
        mark = self._mark
        self.add = _insert(tables.history, dialect, None)
        self.replace = _insert(tables.history, dialect, _ranks_as_high)
        self.set_latest = _insert(tables.latest, dialect, _is_as_new)
        self.keep_replaced = (
            f"INSERT INTO {replaced} ({columns}, {REPLACED_AT}) "
            f"SELECT {columns}, {self._typed('bigint')} FROM {history} WHERE {window}"
        )
        self.drop_latest = f"DELETE FROM {latest} WHERE {window}"
        self.find_latest = (
            f"INSERT INTO {latest} ({columns}) SELECT {columns} FROM {history} "
            f"WHERE {product} AND complete ORDER BY window_start DESC LIMIT 1 "
            "ON CONFLICT DO NOTHING"
        )
        restamp = f"SET stored_at = {mark} WHERE stored_at = {mark} AND {window}"
        self.restamp = f"UPDATE {history} {restamp}"
        self.restamp_latest = f"UPDATE {latest} {restamp}"
        self.restamp_replaced = (
            f"UPDATE {replaced} SET {REPLACED_AT} = {mark} "
            f"WHERE {REPLACED_AT} = {mark} AND {window}"
        )

    def held(self, ranges: int) -> str:
        """Return the query of the rows in some ranges: exchange, product, interval, from, to.

        Postgres locks the rows until the end of the transaction, in the order of their key so
        that two writers do not wait for each other; SQLite has one writing transaction anyway.
        """
        one = "(" + ", ".join(self._typed(each) for each in _RANGE_TYPES) + ")"
        columns = ", ".join(f"h.{column}" for column in COLUMNS)
        keys = " AND ".join(f"h.{name} = r.{name}" for name in ONLINE_KEY)
        query = (
            f"WITH r (exchange, product_id, candle_interval, first, last) AS "
            f"(VALUES {', '.join([one] * ranges)}) "
            f"SELECT {columns} FROM r CROSS JOIN {self._history} h "
            f"WHERE {keys} AND h.window_start BETWEEN r.first AND r.last"
        )
        if self._is_sqlite:
            return query
        return f"{query} ORDER BY {', '.join(f'h.{name}' for name in HISTORY_KEY)} FOR UPDATE OF h"

    def _typed(self, kind: str) -> str:
        return self._mark if self._is_sqlite else f"{self._mark}::{kind}"

    def _equal(self, names: tuple[str, ...]) -> str:
        return " AND ".join(f"{name} = {self._mark}" for name in names)


def _ranks_as_high(new: Any, table: Table) -> ColumnElement[bool]:  # noqa: ANN401 - "excluded"
    return tuple_(*rank(new, new.origin)) >= tuple_(*rank(table.c, table.c.origin))


def _is_as_new(new: Any, table: Table) -> ColumnElement[bool]:  # noqa: ANN401
    older: ColumnElement[bool] = table.c.window_start <= new.window_start
    return older


def _insert(table: Table, dialect: Dialect, condition: Any) -> str:  # noqa: ANN401
    """Return an insert of a whole row; over a row of its key where ``condition`` allows."""
    module = sqlite if dialect.name == "sqlite" else postgresql
    insert: Any = module.insert(table)
    if condition is None:
        return _text(insert.on_conflict_do_nothing(), dialect)
    key = list(table.primary_key.columns)
    new = insert.excluded
    values = {name: new[name] for name in COLUMNS if name not in table.primary_key.columns}
    # As text: SQLAlchemy 2.0, which the hopsworks client needs, renders no literals in there.
    where = text(_text(condition(new, table), dialect))
    upsert = insert.on_conflict_do_update(index_elements=key, set_=values, where=where)
    return _text(upsert, dialect)


def _text(statement: Any, dialect: Dialect) -> str:  # noqa: ANN401
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
