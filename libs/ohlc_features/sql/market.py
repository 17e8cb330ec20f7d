"""Which market a local store's rows are from, so that simulated and real candles never mix.

The table `store_metadata` holds one row per exchange: `simulated`, or the host that the trades
came from. A store of an earlier release has no such table; its rows count as real.
"""

from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.errors import StoreRejectedError
from ohlc_features.sql.engine import open_engine, store_error
from ohlc_features.sql.store import check_tables
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import shown_url, store_url

#: The market of a demo.
SIMULATED = "simulated"

_METADATA = MetaData()
_TABLE = Table(
    "store_metadata",
    _METADATA,
    Column("name", Text(), primary_key=True),
    Column("value", Text(), nullable=False),
)
_PREFIX = "market."


class MixedMarketsError(StoreRejectedError):
    """The store holds candles of another market; the text names both and the remedy."""


def claim_market(url: str, exchange: str, market: str, tables: FeatureTables | None = None) -> None:
    """Record that the store's rows of ``exchange`` are from ``market``, before they are written.

    Args:
        url: FEATURE_STORE_URL.
        exchange: the exchange's name in the rows.
        market: `SIMULATED`, a host name, or "" where that is unknown (files, SQL), which only
            conflicts with simulated rows.
        tables: what the rows will be written to; refused first where it has other columns.

    Raises:
        MixedMarketsError: the store holds rows of another market.
        StoreUnavailableError: the database cannot be reached or is locked for now.
        StoreRejectedError: it cannot be opened, or its tables are of another version.
    """
    address = store_url(url)
    engine = open_engine(address)
    try:
        with engine.begin() as connection:
            if tables is not None:
                check_tables(connection, tables)
            _METADATA.create_all(connection)
            known = _markets(connection)
            if held := _other_market(connection, known, exchange, market):
                raise MixedMarketsError(
                    f"the store {shown_url(address)} holds candles of {held} and would "
                    f"get those of {market or 'files'}; set FEATURE_STORE_URL to another store"
                )
            if market and exchange not in known:
                connection.execute(
                    _TABLE.insert().values(name=f"{_PREFIX}{exchange}", value=market)
                )
    except SQLAlchemyError as error:
        raise store_error(error, address) from None
    finally:
        engine.dispose()


def markets(engine: Engine) -> dict[str, str]:
    """Return the market of each exchange in the store; empty where nothing is recorded."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE.name):
            return {}
        return _markets(connection)


def _markets(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(_TABLE.c.name, _TABLE.c.value))
    return {name.removeprefix(_PREFIX): value for name, value in rows if name.startswith(_PREFIX)}


def _other_market(connection: Connection, known: dict[str, str], exchange: str, market: str) -> str:
    """Return the market that the store's rows are from where ``market`` must not join it."""
    if market == SIMULATED:
        real = next((each for each in known.values() if each != SIMULATED), "")
        return real or ("" if known or not _holds_rows(connection) else "a real market")
    if SIMULATED in known.values():
        return SIMULATED
    held = known.get(exchange, "")
    return held if market and held != market else ""


def _holds_rows(connection: Connection) -> bool:
    names = [name for name in inspect(connection).get_table_names() if name.endswith("_latest")]
    return any(
        connection.execute(
            select(Table(name, MetaData(), Column("exchange", Text()))).limit(1)
        ).first()
        for name in names
    )
