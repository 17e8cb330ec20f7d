"""An independent, strict reading of what the product decodes: the standard library's JSON, and
the documented bounds said once more. Slow, and nobody's but the fuzzer's."""

import json
import re
import time
from decimal import Decimal
from typing import Any

DAY_US = 86_400_000_000
YEAR_2009_US = 1_230_768_000_000_000
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
PLAIN = re.compile(r"[0-9]{1,31}(\.[0-9]{1,30})?")
TRADE_ID = re.compile(r"[A-Za-z0-9.:-]*")
EXCHANGE = re.compile(r"[A-Za-z0-9._-]{1,50}")


class RefusedError(Exception):
    """The strict parser does not take it."""


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def refuse(condition: object, why: str = "") -> None:
    if condition:
        raise RefusedError(why)


def parsed(data: bytes, *, whole_text: bool = True) -> Any:
    """Return the JSON value; numbers as they are written, the last of equal names wins."""

    def constant(text: str) -> None:
        raise RefusedError(text)

    try:
        # What the product passes over it need not read.
        text = data.decode(errors="strict" if whole_text else "replace")
        refuse(text.startswith("\ufeff"))
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=constant)
        if whole_text:
            json.dumps(value, ensure_ascii=False).encode()  # no halves of surrogate pairs
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error)) from None
    return value


def repeats_a_name(data: bytes) -> bool:
    """Return whether an object of the JSON document gives a name twice."""
    found = False

    def noted(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len(dict(pairs)) != len(pairs)

    json.loads(data, object_pairs_hook=noted, parse_int=str, parse_float=str)
    return found


def text_of(value: Any) -> str:
    refuse(not isinstance(value, str) or isinstance(value, Number), "no text")
    return str(value)


def whole(value: Any) -> int:
    refuse(not isinstance(value, Number) or not re.fullmatch("-?[0-9]{1,19}", value), "no integer")
    return int(value)


def list_of(value: Any) -> list[Any]:
    refuse(not isinstance(value, list), "no list")
    items: list[Any] = value
    return items


def product_of(record: dict[str, Any]) -> tuple[str, str]:
    exchange, product = text_of(record["exchange"]), text_of(record["product_id"])
    refuse(not EXCHANGE.fullmatch(exchange) or not 1 <= len(product) <= 100)
    controls = any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in product)
    refuse(controls, "control characters")
    return exchange, product


def trades(data: bytes) -> list[tuple[str, Decimal, Decimal, str, int]]:
    """Return the trades of a ``trades`` record."""
    record = parsed(data)
    refuse(not isinstance(record, dict))
    try:
        refuse(record["type"] != "trades")
        product_of(record)
        refuse(text_of(record["source"]) not in ("websocket", "rest", "file", "sql"))
        if "trades" in record and "trade_ids" not in record:
            record |= _columns(record)
        ids = [text_of(each) for each in list_of(record["trade_ids"])]
        columns = [
            [_number(each) for each in list_of(record[name])] for name in ("prices", "quantities")
        ]
        sides = text_of(record["sides"])
        times = [whole(each) for each in list_of(record["timestamps_us"])]
    except KeyError as error:
        raise RefusedError(str(error)) from None
    refuse(len({len(ids), len(sides), len(times), *map(len, columns)}) != 1 or not ids)
    refuse(set(sides) - set("bs-"))
    refuse(not -(1 << 53) < min(times) <= max(times) < 1 << 54, "time")
    refuse(not all(TRADE_ID.fullmatch(each) for each in ids), "id")
    return list(zip(ids, *columns, sides, times, strict=True))


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a record of one object per trade, as 0.1 wrote it."""
    refuse(record.keys() != {"type", "exchange", "product_id", "source", "trades"})
    objects = list_of(record["trades"])
    names = {"trade_id", "price", "quantity", "side", "timestamp_us"}
    refuse(any(not isinstance(each, dict) or each.keys() != names for each in objects))
    sides = [text_of(each["side"]) for each in objects]
    refuse(not set(sides) <= {"buy", "sell"})
    return {
        "trade_ids": [each["trade_id"] for each in objects],
        "prices": [each["price"] for each in objects],
        "quantities": [each["quantity"] for each in objects],
        "sides": "".join(side[0] for side in sides),
        "timestamps_us": [each["timestamp_us"] for each in objects],
    }


def _number(value: Any) -> Decimal:
    refuse(not isinstance(value, Number) or not NUMBER.fullmatch(value), "no plain number")
    return Decimal(value)


def latest_us() -> int:
    return time.time_ns() // 1_000 + DAY_US


def leaves(value: Any) -> set[str]:
    """Return all texts and numbers of a JSON value, as they are written."""
    found: set[str] = set()
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            rest += each.values()
        elif isinstance(each, list):
            rest += each
        elif isinstance(each, str):
            found.add(str(each))
    return found
