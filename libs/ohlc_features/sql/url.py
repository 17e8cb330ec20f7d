"""FEATURE_STORE_URL: which databases, by which drivers."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_ALLOWED = "allowed: sqlite:///path/to/file.db or postgresql://user:password@host:5432/database"


def store_url(text: str) -> URL:
    """Read FEATURE_STORE_URL; ``postgres://`` and ``postgresql://`` mean the psycopg driver.

    Raises:
        ValueError: no URL of SQLite or Postgres; the text never holds the password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(f"FEATURE_STORE_URL was no SQLAlchemy URL; {_ALLOWED}") from None
    shown = url.render_as_string(hide_password=True)
    if url.drivername not in _DRIVERS:
        raise ValueError(f"FEATURE_STORE_URL was {shown!r}; {_ALLOWED}")
    if url.drivername.startswith("sqlite"):
        if url.database in (None, "", ":memory:"):
            raise ValueError(
                f"FEATURE_STORE_URL was {shown!r}, which nobody could read; {_ALLOWED}"
            )
    elif not url.database:
        raise ValueError(f"FEATURE_STORE_URL was {shown!r}, which names no database; {_ALLOWED}")
    return url.set(drivername=_DRIVERS[url.drivername])
