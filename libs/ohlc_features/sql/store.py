"""The local feature store: two tables in SQLite (default, no server) or Postgres."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.domain.candle import Candle
from ohlc_features.errors import StoreError, StoreRejectedError
from ohlc_features.rules import newest_revisions, newest_windows
from ohlc_features.schema import COLUMNS, feature_values
from ohlc_features.sql.engine import open_engine, store_error
from ohlc_features.sql.tables import FeatureTables, upsert_history, upsert_latest
from ohlc_features.sql.url import store_url


class LocalStore:
    """History and newest rows, written in one transaction a batch.

    Open it with `LocalStore.open`; readers in other processes need nothing but the database.
    """

    def __init__(self, url: str, group: str, version: int) -> None:
        self._url = store_url(url)
        self._tables = FeatureTables(group, version)
        self._engine = open_engine(self._url)
        self._upsert_history = upsert_history(self._tables, self._engine.dialect)
        self._upsert_latest = upsert_latest(self._tables, self._engine.dialect)

    @classmethod
    def open(cls, url: str, group: str, version: int) -> "LocalStore":
        """Open the database at ``url`` and create what is missing in it.

        Raises:
            StoreUnavailableError: it can not be reached or is locked at the moment.
            StoreRejectedError: it can not be opened, or holds other tables of these names.
        """
        store = cls(url, group, version)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self) -> None:
        try:
            with self._engine.begin() as connection:
                self._tables.metadata.create_all(connection)
                for table in self._tables.metadata.tables.values():
                    _check_columns(connection, table)
        except SQLAlchemyError as error:
            raise self._at_start(store_error(error, self._url)) from None

    def _at_start(self, error: StoreError) -> StoreError:
        """A file that can not be opened passes while a disk is away, but not at the start."""
        if "unable to open database file" in str(error):
            return StoreRejectedError(
                f"{error}; make the folder writable or change FEATURE_STORE_URL"
            )
        return error

    def write(self, candles: Sequence[Candle]) -> None:
        """Upsert the history and the newest rows of ``candles`` in one transaction.

        Raises:
            StoreUnavailableError: nothing was written; the same call may succeed later.
            StoreRejectedError: nothing was written, and nothing will be.
        """
        newest = newest_revisions(candles)
        if not newest:
            return
        # In the order of the key: the pages of the table are then touched one after the other.
        history = [feature_values(newest[key]) for key in sorted(newest)]
        latest = [feature_values(candle) for candle in newest_windows(newest.values()).values()]
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(self._upsert_history, history)
                connection.exec_driver_sql(self._upsert_latest, latest)
        except SQLAlchemyError as error:
            # A connection that met a full disk or a lost server is not to be trusted again.
            self._engine.dispose()
            raise store_error(error, self._url) from None

    def close(self) -> None:
        """Close every connection; SQLite folds its write-ahead log into the file."""
        self._engine.dispose()


def _check_columns(connection: Connection, table: Table) -> None:
    found = {column["name"] for column in inspect(connection).get_columns(table.name)}
    if found != set(COLUMNS):
        different = ", ".join(sorted(found ^ set(COLUMNS)))
        raise StoreRejectedError(
            f"table {table.name} exists with other columns ({different}); "
            "choose another FEATURE_GROUP_NAME or FEATURE_GROUP_VERSION"
        )
