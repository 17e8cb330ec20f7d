"""Cells as text -> the columns of a trade, whatever source they are from.

Units of time are recognised by size, for a column as a whole; numbers, ids and sides are taken
only in plain forms. What is null here is looked at again, slowly and strictly, by `trade_table`.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.trade import Side
from ohlc_history.sources.base import SourceError

#: The side of a trade whose source does not provide it.
UNKNOWN_SIDE: Side = "unknown"

# 2009-01-01 and 2100-01-01: what is outside is no time of a trade.
FIRST_SECOND, LAST_SECOND = 1_230_768_000, 4_102_444_800
_DIGITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
BUY_WORDS = ("buy", "b", "bid", "buyer", "bought")
SELL_WORDS = ("sell", "s", "ask", "seller", "sold")
NO_SIDE_WORDS = ("", "-", "unknown", "none", "null", "nan", "n/a", "na", "undefined", "<na>")
NO_VALUE = ("", "-", "none", "null", "nan", "n/a", "na", "\\n", "<na>", "nat", "undefined")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?|\.[0-9]+", re.ASCII)
_ID_NUMBER = re.compile(r"[0-9]+(\.0+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+", re.ASCII)
_SCALE = 9
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?$"


class TimeFormat(NamedTuple):
    """How a column writes times: ``s``, ``ms``, ``us``, ``ns``, or ``iso`` text (UTC)."""

    unit: str


def is_number(text: str) -> bool:
    """Return whether the text is a plain or exponent decimal number without a sign."""
    return _NUMBER.fullmatch(text) is not None


def unit_of(text: str) -> str | None:
    """Return the unit of a number that may be a time, by its size; None when it is none."""
    if not is_number(text):
        return None
    number = Decimal(text)
    for unit, digits in _DIGITS.items():
        scale = Decimal(10) ** (6 - digits)
        if FIRST_SECOND * scale <= number < LAST_SECOND * scale:
            return unit
    return None


def iso_us(text: str) -> int | None:
    """Return the microseconds of an ISO 8601 time; without a zone it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(_cut_to_us(text.strip().removesuffix(" UTC")))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return us if FIRST_SECOND * 1_000_000 <= us < LAST_SECOND * 1_000_000 else None


def _cut_to_us(text: str) -> str:
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)


def time_format(part: str, column: str, values: list[str]) -> TimeFormat:
    """Return how a column writes times.

    Raises:
        SourceError: it holds no times, or times of several units.
    """
    found = [value for value in values if value.lower() not in NO_VALUE]
    if not found:
        raise SourceError(f"{part}: column {column} holds no time")
    units = {unit for value in found if (unit := unit_of(value)) is not None}
    if len(units) > 1:
        raise SourceError(
            f"{part}: column {column} mixes times in {' and '.join(sorted(units))}; write all of "
            "them in one unit"
        )
    if units:
        return TimeFormat(units.pop())
    if any(iso_us(value) is not None for value in found):
        return TimeFormat("iso")
    raise SourceError(
        f"{part}: column {column} cannot be read as a time (it holds {found[0]!r}); write ISO 8601 "
        "(2024-01-31T12:00:00Z), or seconds, ms, us or ns since 1970"
    )


def time_us(text: pl.Expr, times: TimeFormat) -> pl.Expr:
    """Return the microseconds of times as text, cut off, never through a float.

    What is no time of a trade may be among them: see `in_time_range`.
    """
    if times.unit == "iso":
        plain = text.str.replace(" ", "T", literal=True).str.replace(r"(Z|\+00:?00)$", "")
        plain = pl.when(plain.str.contains(_ISO)).then(plain)
        moments = plain.str.replace(r"(\.[0-9]{6})[0-9]+$", "${1}").str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
        )
        return moments.dt.epoch("us")
    # More decimals than these would be rounded, not cut; such a row is read slowly.
    point = text.str.find(".", literal=True).cast(pl.Int64)
    fits = (text.str.len_bytes().cast(pl.Int64) - point - 1 <= _SCALE).fill_null(value=True)
    number = pl.when(fits).then(text).cast(pl.Decimal(38, _SCALE), strict=False)
    us: pl.Expr = number.to_physical() // 10 ** (_SCALE - _DIGITS[times.unit])
    return us.cast(pl.Int64, strict=False)


def in_time_range(us: pl.Expr) -> pl.Expr:
    """Return the times that a trade can have, null for any other."""
    inside = us.is_between(FIRST_SECOND * 1_000_000, LAST_SECOND * 1_000_000 - 1)
    return pl.when(inside).then(us)


def slow_time_us(text: str, times: TimeFormat) -> int | None:
    """Return the microseconds of one time that `time_us` did not read, or None.

    Raises:
        SourceError: it is a time of another unit than the rest of its column.
    """
    if times.unit == "iso":
        return iso_us(text)
    unit = unit_of(text)
    if unit is not None and unit != times.unit:
        raise SourceError(
            f"mixes times in {times.unit} and {unit} ({text}); write all of them in one unit"
        )
    return None if unit is None else int(Decimal(text).scaleb(_DIGITS[unit]))


def side(text: pl.Expr, words: dict[str, str] | None = None) -> pl.Expr:
    """Return ``buy``, ``sell``, ``unknown`` where it is not provided, null for any other word."""
    if words is None:
        words = (
            dict.fromkeys(BUY_WORDS, "buy") | dict.fromkeys(SELL_WORDS, "sell")
            | dict.fromkeys(NO_SIDE_WORDS, UNKNOWN_SIDE)
        )  # fmt: skip
    return text.fill_null("").str.to_lowercase().replace_strict(words, default=None)


#: Bitstamp's ``Type``.
BITSTAMP_TYPES = {"0": "buy", "1": "sell", "": UNKNOWN_SIDE}
#: Whether the buyer's order rested in the book, so that the taker sold.
BUYER_IS_MAKER = {"true": "sell", "t": "sell", "1": "sell", "false": "buy", "f": "buy",
                  "0": "buy"} | dict.fromkeys(NO_SIDE_WORDS, UNKNOWN_SIDE)  # fmt: skip


#: Where the maker's side is given, the taker's is the other one.
MAKER_SIDES = {"buy": "sell", "sell": "buy"} | dict.fromkeys(NO_SIDE_WORDS, UNKNOWN_SIDE)


def check_numbers(part: str, column: str, values: list[str]) -> None:
    """Refuse decimal commas in words.

    Raises:
        SourceError: the column writes them.
    """
    if values and all(_DECIMAL_COMMA.fullmatch(value) for value in values):
        raise SourceError(
            f"{part}: column {column} has decimal commas ({values[0]}); write numbers with a point"
        )


def id_kind(values: list[str]) -> str:
    """Return whether a column of ids holds ``numbers``, other ``text``, or ``none``."""
    held = [value for value in values if value.lower() not in NO_VALUE]
    if not held:
        return "none"
    numbers = sum(_ID_NUMBER.fullmatch(value) is not None for value in held)
    return "numbers" if 2 * numbers >= len(held) else "text"


def trade_id(text: pl.Expr, kind: str) -> pl.Expr:
    """Return ids in their one form; null where there is none."""
    if kind == "numbers":
        # A column that once had an empty cell may have been through floats: 7000.0
        return text.str.extract(r"^0*([0-9]{1,18})(?:\.0+)?$", 1)
    plain = text.str.contains(r"^[!-~]{1,64}$")
    return pl.when(plain & ~text.str.to_lowercase().is_in(NO_VALUE)).then(text)
