"""Rows of a PostgreSQL query, copied to disk once: PostgreSQL's own COPY streams them."""

import shutil
import tempfile
import weakref
from pathlib import Path

from ohlc_core.errors import FatalError, SettingsError

_COLUMNS_OF = "COPY ({query}\n) TO STDOUT (FORMAT csv, HEADER)"


class PostgresCopy:
    """The result of a query as a CSV file that ends with this object.

    The transaction is read-only, so that the query cannot change anything. Memory stays flat.

    Args:
        address: a ``postgresql://`` URL.
        query: gives the rows; one statement.

    Raises:
        SettingsError: the query is refused, or the address is none.
        FatalError: the server does not answer.
    """

    def __init__(self, address: str, query: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise SettingsError(
                "REPLAY_DATABASE needs psycopg; install ohlc-pipeline[postgres]"
            ) from None
        self._folder = Path(tempfile.mkdtemp(prefix="ohlc-query-"))
        self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.path = self._folder / "rows.csv"
        command = _COLUMNS_OF.format(query=query.strip().rstrip(";"))
        try:
            with psycopg.connect(address, connect_timeout=30) as connection:
                connection.read_only = True
                connection.execute("SET TimeZone = 'UTC'")
                with (
                    self.path.open("wb") as file,
                    connection.cursor() as cursor,
                    cursor.copy(command.encode()) as rows,
                ):
                    for block in rows:
                        file.write(block)
        except psycopg.OperationalError as error:
            raise FatalError(f"REPLAY_DATABASE cannot be read: {_first_line(error)}") from None
        except psycopg.Error as error:
            raise SettingsError(f"REPLAY_QUERY: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
