"""Which column of a delimited text file means what.

A file with a header is read by its columns' names; one without by the places of the fields, which
distinguish the layouts. Only what the first rows show is used, never a setting.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ohlc_history.sources.base import NotTradesError, SourceError
from ohlc_history.sources.values import (
    BITSTAMP_TYPES,
    BUYER_IS_MAKER,
    MAKER_SIDES,
    TimeFormat,
    check_numbers,
    id_kind,
    is_number,
    time_format,
    unit_of,
)

#: What the columns of trades are called, most specific first; without case, blanks and underscores.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "timestamp": (
        "timestampus", "timestampns", "timestampms", "timestamp", "ts", "tradets", "tradetime",
        "transacttime", "eventtime", "time", "timems", "datetime", "tradetimestamp",
        "microtimestamp", "unixtimestamp", "unixtime", "unix", "createdat", "createdtime",
        "exectime", "filledat", "date", "t",
    ),
    "price": ("price", "px", "tradeprice", "execprice", "rate", "p"),
    "quantity": (
        "quantity", "qty", "amount", "size", "volume", "vol", "basequantity", "baseqty",
        "baseamount", "basevolume", "tradequantity", "sz", "q",
    ),
    "side": ("side", "takerside", "aggressorside", "direction", "tradetype", "takersidetype"),
    "buyer_is_maker": ("isbuyermaker", "buyerismaker", "buyermaker"),
    "taker_sold": ("sell", "takersidesell", "issell"),
    "trade_id": ("tradeid", "aggtradeid", "aggregatetradeid", "id", "tid", "trdmatchid"),
    "product_id": ("productid", "product", "symbol", "pair", "instrument", "market"),
    "type": ("type",),
}  # fmt: skip
NEEDED = ("timestamp", "price", "quantity")
# Decimal commas are fields' own where another of these stands as often.
_DELIMITERS = (";", "\t", "|", ",")
# Coinbase's own REST rows name the side of the maker.
_COINBASE_TITLES = {"trade_id", "side", "size", "price", "time"}
_BOOLEAN = ("true", "false")
_SIDES = ("b", "s", "buy", "sell", "bid", "ask", "unknown", "")


class Layout(NamedTuple):
    """How the rows of a file are read.

    Attributes:
        name: for messages.
        delimiter: between fields.
        header_lines: lines before the first row.
        columns: the place of each meaning.
        titles: what the columns are called; their places without a header.
        width: fields in a row.
        times: how times are written.
        ids: ``numbers``, ``text`` or ``none``.
        sides: the words of the side's column; None for the usual ones, empty without a column.
    """

    name: str
    delimiter: str
    header_lines: int
    columns: Mapping[str, int]
    titles: Sequence[str]
    width: int
    times: TimeFormat
    ids: str
    sides: Mapping[str, str] | None


# Places of price, quantity, time, side and id, by the kinds of the fields: n number, b boolean,
# s side, * anything.
_POSITIONAL: Sequence[tuple[str, str, Mapping[str, int]]] = (
    ("Kraken time and sales, 3 fields", "nnn", {"timestamp": 0, "price": 1, "quantity": 2}),
    (
        "Kraken time and sales, 7 fields", "nnns***",
        {"price": 0, "quantity": 1, "timestamp": 2, "side": 3, "trade_id": 6},
    ),
    (
        "Binance trades", "nnnnnbb",
        {"trade_id": 0, "price": 1, "quantity": 2, "timestamp": 4, "buyer_is_maker": 5},
    ),
    (
        "Binance futures trades", "nnnnnb",
        {"trade_id": 0, "price": 1, "quantity": 2, "timestamp": 4, "buyer_is_maker": 5},
    ),
    (
        "Binance aggregate trades", "nnnnnnbb",
        {"trade_id": 0, "price": 1, "quantity": 2, "timestamp": 5, "buyer_is_maker": 6},
    ),
    (
        "Binance futures aggregate trades", "nnnnnnb",
        {"trade_id": 0, "price": 1, "quantity": 2, "timestamp": 5, "buyer_is_maker": 6},
    ),
)  # fmt: skip


def plain_title(title: str) -> str:
    """Return a column's name without case, blanks, underscores and quotes."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def meanings(titles: Sequence[str]) -> dict[str, int]:
    """Return the place of each meaning among the columns' names."""
    places: dict[str, int] = {}
    for place, title in enumerate(titles):
        places.setdefault(plain_title(title), place)
    found = {}
    for meaning, aliases in ALIASES.items():
        known = [places[alias] for alias in aliases if alias in places]
        if known:
            found[meaning] = known[0]
    return found


def layout_of(part: str, lines: Sequence[str]) -> Layout | None:
    """Return the layout of a file's first lines, or None where they hold no row at all.

    Raises:
        SourceError: the rows are of no layout that is known, with what is wrong with them.
    """
    lines = list(lines)
    if not any(line.strip() for line in lines):
        return None
    delimiter = max(_DELIMITERS, key=lambda each: sum(line.count(each) for line in lines[:20]))
    rows = [_fields(line, delimiter) for line in lines]
    header = next((n for n, row in enumerate(rows[:5]) if _is_header(row)), None)
    if header is None:
        first = next((n for n, row in enumerate(rows) if any(row)), 0)
        return _positional(part, rows[first:], delimiter, first)
    body = [row for row in rows[header + 1 :] if any(row)]
    titles = rows[header]
    if not body:
        return None
    if len(body[0]) != len(titles):
        found = _positional(part, body, delimiter, header + 1)
        if found is not None:
            return found
    return named_layout(part, titles, body, delimiter, header + 1)


def _fields(line: str, delimiter: str) -> list[str]:
    row = next(csv.reader(io.StringIO(line), delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip() for field in row]


def _is_header(row: Sequence[str]) -> bool:
    """Return whether a line names columns: no field of it is a value, and several are words."""
    words = [field for field in row if re.search("[A-Za-z]", field)]
    values = [f for f in row if is_number(f) or f.lower() in _BOOLEAN]
    return len(words) >= 2 and not values


def _kinds(row: Sequence[str]) -> str:
    kinds = []
    for field in row:
        if is_number(field):
            kinds.append("n")
        elif field.lower() in _BOOLEAN:
            kinds.append("b")
        else:
            kinds.append("s" if field.lower() in _SIDES else "x")
    return "".join(kinds)


def _positional(
    part: str, rows: Sequence[Sequence[str]], delimiter: str, header_lines: int
) -> Layout | None:
    filled = [row for row in rows if any(row)]
    kinds = [_kinds(row) for row in filled]
    for name, pattern, columns in _POSITIONAL:
        matching = [row for row, kind in zip(filled, kinds, strict=True) if _fits(kind, pattern)]
        # A damaged line among good ones is rejected later; it does not hide the layout.
        if not matching or 2 * len(matching) < len(kinds):
            continue
        if not any(unit_of(row[columns["timestamp"]]) for row in matching):
            continue
        titles = [f"{place + 1}" for place in range(len(pattern))]
        shape = _Shape(part, name, delimiter, header_lines)
        return _layout(shape, columns, titles, matching, None)
    first = next((row for row in rows if any(row)), [])
    for place, field in enumerate(first):
        check_numbers(part, f"{place + 1}", [field])
    raise SourceError(
        f"{part}: its first row ({delimiter.join(first)[:80]}) is of no known layout of trades; "
        "give it a header that names timestamp, price, quantity (and side, trade_id), or read it "
        "with REPLAY_SOURCE=sql"
    )


def _fits(kinds: str, pattern: str) -> bool:
    return len(kinds) == len(pattern) and all(
        wanted in ("*", kind) for kind, wanted in zip(kinds, pattern, strict=True)
    )


def named_layout(
    part: str,
    titles: Sequence[str],
    body: Sequence[Sequence[str]],
    delimiter: str,
    header_lines: int,
) -> Layout:
    """Return the layout of rows whose columns have names.

    Raises:
        SourceError: a column of trades is missing, or cannot be read.
    """
    columns = meanings(titles)
    missing = [meaning for meaning in NEEDED if meaning not in columns]
    if missing and {"open", "high", "low", "close"} <= {plain_title(title) for title in titles}:
        raise NotTradesError(f"{part}: holds candles, no trades")
    if missing:
        raise SourceError(
            f"{part}: no column for {' and '.join(missing)} among {', '.join(titles)[:200]}; name "
            "them timestamp, price, quantity (and side, trade_id, product_id)"
        )
    sides: Mapping[str, str] | None = None
    kind = columns.pop("type", None)
    if kind is not None and "side" not in columns:
        words = {row[kind].lower() for row in body if len(row) > kind}
        if words <= {"0", "1", ""}:
            columns["side"], sides = kind, BITSTAMP_TYPES
        elif words <= set(_SIDES):
            columns["side"] = kind
    elif set(titles) == _COINBASE_TITLES:
        sides = MAKER_SIDES
    shape = _Shape(part, "header", delimiter, header_lines)
    return _layout(shape, columns, titles, body, sides)


class _Shape(NamedTuple):
    """The layout's name and form, and the file it was found in."""

    part: str
    name: str
    delimiter: str
    header_lines: int


def _layout(
    shape: _Shape,
    columns: Mapping[str, int],
    titles: Sequence[str],
    body: Sequence[Sequence[str]],
    sides: Mapping[str, str] | None,
) -> Layout:
    def values(meaning: str) -> list[str]:
        place = columns[meaning]
        return [row[place] for row in body if len(row) > place]

    for meaning in ("price", "quantity"):
        check_numbers(shape.part, titles[columns[meaning]], values(meaning))
    times = time_format(shape.part, titles[columns["timestamp"]], values("timestamp"))
    ids = id_kind(values("trade_id")) if "trade_id" in columns else "none"
    if "side" not in columns:
        maker, sold = columns.get("buyer_is_maker"), columns.get("taker_sold")
        if maker is not None or sold is not None:
            place = maker if maker is not None else sold
            assert place is not None
            columns = {**columns, "side": place}
            # A taker that sold is one whose buyer's order rested: the same flag.
            sides = BUYER_IS_MAKER
    return Layout(*shape[1:], columns, list(titles), len(titles), times, ids, sides)
