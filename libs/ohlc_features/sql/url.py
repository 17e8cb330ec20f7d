"""FEATURE_STORE_URL: which databases, by which drivers, and how it is shown."""

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
    _refuse_ambiguous(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter quotes what it took for a port
        raise ValueError(f"FEATURE_STORE_URL was no SQLAlchemy URL; {_ALLOWED}") from None
    shown = shown_url(url)
    if url.drivername not in _DRIVERS:
        raise ValueError(f"FEATURE_STORE_URL was {shown!r}; {_ALLOWED}")
    if url.drivername.startswith("sqlite"):
        if url.host or url.username or url.port:
            path = text.partition("://")[2].lstrip("/")
            raise ValueError(
                f"FEATURE_STORE_URL was {shown!r}; a file takes three slashes, "
                f"sqlite:///{path}, and four with an absolute path"
            )
        if url.database in (None, "", ":memory:"):
            raise ValueError(
                f"FEATURE_STORE_URL was {shown!r}, which nobody could read; {_ALLOWED}"
            )
    elif not url.database:
        raise ValueError(f"FEATURE_STORE_URL was {shown!r}, which names no database; {_ALLOWED}")
    return url.set(drivername=_DRIVERS[url.drivername])


def shown_url(url: URL) -> str:
    """Return ``url`` for messages: without the password, and without a query that may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def _refuse_ambiguous(text: str) -> None:
    """Refuse a password with an @ of its own: its tail would pass for the host, and be shown."""
    if not text.startswith("sqlite") and text.count("@") > 1:
        raise ValueError(
            "FEATURE_STORE_URL has more than one @; percent-encode those of the user and the "
            "password (@ is %40, / is %2F, ? is %3F, # is %23, % is %25)"
        )
