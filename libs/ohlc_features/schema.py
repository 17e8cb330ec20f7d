"""The columns of a feature row: one table that every store, frame, rule and document is made from.

A column is one line of `FeatureRow`. From it follow the row's value (the one place where exact
numbers become doubles), the SQL, polars and Hopsworks types, which texts and numbers are refused
(`ohlc_features.replacement`), what a filled window holds (`ohlc_features.reading.grid`), and
docs/columns.md.
"""

from collections.abc import Callable
from enum import Enum, auto
from operator import attrgetter
from typing import (
    Annotated,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_type_hints,
)

from ohlc_core.domain.candle import Candle

T = TypeVar("T")
Origin = Literal["live", "backfill"]
Value = str | int | float | None


class Kind(Enum):
    """What a column holds, and so its type in every store."""

    TEXT = auto()
    TIME = auto()
    DOUBLE = auto()
    COUNT = auto()
    FLAG = auto()


class Fill(Enum):
    """What a window without a row gets where a frame is filled up to a regular grid."""

    KEY = auto()
    WINDOW_END = auto()
    LAST_CLOSE = auto()
    ZERO = auto()
    TRUE = auto()
    NULL = auto()


class About(NamedTuple):
    """What the table below says of a column.

    Attributes:
        kind: what it holds.
        fill: what a filled window gets.
        meaning: for people; units included.
        field: the candle's field it comes from; empty: the store sets it, and parity ignores it.
    """

    kind: Kind
    fill: Fill
    meaning: str
    field: str = ""


class FeatureRow(NamedTuple):
    """One candle as every feature store keeps it; fields in the stores' column order.

    Times are ms since the Unix epoch, UTC. The row's event time is ``window_end``: that is when
    the candle is known. ``candle_interval`` is the message's ``interval``, a reserved word in SQL.
    """

    exchange: Annotated[str, About(Kind.TEXT, Fill.KEY, "the exchange, e.g. `kraken`", "exchange")]
    product_id: Annotated[
        str, About(Kind.TEXT, Fill.KEY, "as the exchange names it, e.g. `BTC/USD`", "product_id")
    ]
    candle_interval: Annotated[
        str, About(Kind.TEXT, Fill.KEY, "length of the window, e.g. `1m`", "interval")
    ]
    window_start: Annotated[
        int, About(Kind.TIME, Fill.KEY, "first ms of the window", "window_start_ms")
    ]
    window_end: Annotated[
        int,
        About(
            Kind.TIME,
            Fill.WINDOW_END,
            "first ms behind the window; the row's event time",
            "window_end_ms",
        ),
    ]
    open: Annotated[float, About(Kind.DOUBLE, Fill.LAST_CLOSE, "first price", "open")]
    high: Annotated[float, About(Kind.DOUBLE, Fill.LAST_CLOSE, "highest price", "high")]
    low: Annotated[float, About(Kind.DOUBLE, Fill.LAST_CLOSE, "lowest price", "low")]
    close: Annotated[float, About(Kind.DOUBLE, Fill.LAST_CLOSE, "last price", "close")]
    volume: Annotated[
        float, About(Kind.DOUBLE, Fill.ZERO, "sum of quantities, in the base currency", "volume")
    ]
    vwap: Annotated[
        float,
        About(Kind.DOUBLE, Fill.LAST_CLOSE, "volume-weighted price, 12 significant digits", "vwap"),
    ]
    buy_volume: Annotated[
        float | None,
        About(
            Kind.DOUBLE,
            Fill.ZERO,
            "volume whose taker bought; null where the side of any trade is unknown",
            "buy_volume",
        ),
    ]
    trade_count: Annotated[int, About(Kind.COUNT, Fill.ZERO, "trades in the window", "trade_count")]
    first_trade_id: Annotated[
        str | None,
        About(Kind.TEXT, Fill.NULL, "null in a window without trades", "first_trade_id"),
    ]
    last_trade_id: Annotated[
        str | None, About(Kind.TEXT, Fill.NULL, "null in a window without trades", "last_trade_id")
    ]
    complete: Annotated[
        bool,
        About(Kind.FLAG, Fill.TRUE, "false where trades of the window may be missing", "complete"),
    ]
    revision: Annotated[
        int, About(Kind.COUNT, Fill.ZERO, "corrections of the window so far", "revision")
    ]
    origin: Annotated[
        str, About(Kind.TEXT, Fill.NULL, "`live` or `backfill`: which of them wrote the row")
    ] = "live"
    stored_at: Annotated[
        int, About(Kind.TIME, Fill.NULL, "when the row was written, by the writer's clock")
    ] = 0


class Column(NamedTuple):
    """One column, as read from the table above."""

    name: str
    about: About
    is_nullable: bool


def _columns() -> tuple[Column, ...]:
    columns = []
    for name, hint in get_type_hints(FeatureRow, include_extras=True).items():
        kind, about = get_args(hint)
        columns.append(Column(name, about, type(None) in get_args(kind)))
    return tuple(columns)


SCHEMA_COLUMNS = _columns()
COLUMNS = FeatureRow._fields
ONLINE_KEY = ("exchange", "product_id", "candle_interval")
HISTORY_KEY = (*ONLINE_KEY, "window_start")
EVENT_TIME = "window_end"

#: The one column more of the table of replaced rows: when another row took the place.
REPLACED_AT = "replaced_at"

#: The columns that say what the candle is: equal for live and backfill, whoever wrote them when.
CANDLE_COLUMNS = tuple(column.name for column in SCHEMA_COLUMNS if column.about.field)

_FIELDS = attrgetter(*(column.about.field for column in SCHEMA_COLUMNS if column.about.field))
_DOUBLES = tuple(
    place for place, column in enumerate(SCHEMA_COLUMNS) if column.about.kind is Kind.DOUBLE
)


def columns_of(*kinds: Kind, nullable: bool | None = None) -> tuple[str, ...]:
    """Return the names of the columns of some kinds, nullable or not."""
    return tuple(
        column.name
        for column in SCHEMA_COLUMNS
        if column.about.kind in kinds and nullable in (None, column.is_nullable)
    )


def by_kind(of: Callable[[Kind], T]) -> dict[str, T]:
    """Return something for every column that depends on its kind alone, such as a type."""
    return {column.name: of(column.about.kind) for column in SCHEMA_COLUMNS}


def feature_values(candle: Candle, origin: str = "live", stored_at: int = 0) -> list[Value]:
    """Return the values of ``candle``'s row; each number becomes the double nearest to it."""
    values: list[Value] = [*_FIELDS(candle), origin, stored_at]
    for place in _DOUBLES:
        number = values[place]
        if number is not None:
            values[place] = float(number)
    return values


def feature_row(candle: Candle, origin: str = "live", stored_at: int = 0) -> FeatureRow:
    """Return ``candle`` as a row."""
    return FeatureRow._make(feature_values(candle, origin, stored_at))
