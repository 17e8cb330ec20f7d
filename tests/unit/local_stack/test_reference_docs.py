"""The documents of records and columns are those of the code, and the records keep to them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local_stack.reference_docs import documents, schema_documents
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import encode, encode_candle
from ohlc_core.messages.records import DeadLetter, GapMessage, StartMessage, WatermarkMessage
from ohlc_core.messages.trades_record import encode_trades
from ohlc_features.schema import CANDLE_COLUMNS, SCHEMA_COLUMNS, Fill, feature_row
from support.candle_records import candle

_TRADE = Trade("1", Decimal(1), Decimal(2), "buy", 3)

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "null": (type(None),),
}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_document_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == documents()[path], "run `make settings`"


def _kinds(schema: dict[str, Any]) -> list[str]:
    if "anyOf" in schema:
        return [kind for each in schema["anyOf"] for kind in _kinds(each)]
    if "enum" in schema:
        return ["string"]
    kinds = schema["type"]
    return kinds if isinstance(kinds, list) else [kinds]


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("candle", encode_candle(candle())),
        ("candle", encode_candle(candle(buy_volume=None, first_trade_id=None))),
        ("trades", encode_trades("kraken", "BTC/USD", "rest", [_TRADE])),
        ("start", encode(StartMessage("kraken", "BTC/USD", 1))),
        ("watermark", encode(WatermarkMessage("kraken", "BTC/USD", 1, final=True))),
        ("gap", encode(GapMessage("kraken", "BTC/USD", "1", "2"))),
        ("dead-letter", encode(DeadLetter("malformed", "no JSON", "trades", 0, 7, "{"))),
        ("feature-row", msgspec.json.encode(feature_row(candle())._asdict())),
    ],
)
def test_record_has_the_fields_and_types_of_its_schema(name: str, record: bytes) -> None:
    schema = msgspec.json.decode(schema_documents()[f"{name}.json"])
    values = msgspec.json.decode(record)
    assert list(values) == list(schema["properties"])
    assert set(schema["required"]) <= set(values)
    for field, value in values.items():
        allowed = [t for kind in _kinds(schema["properties"][field]) for t in _TYPES[kind]]
        assert isinstance(value, tuple(allowed)), field


def test_every_field_of_the_candle_is_a_column_and_nullable_alike() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(Candle)}
    columns = {c.about.field: c for c in SCHEMA_COLUMNS if c.about.field}
    assert set(columns) == set(fields)
    for name, field in fields.items():
        assert columns[name].is_nullable == (type(None) in getattr(field.type, "__args__", ())), (
            name
        )
    assert len(CANDLE_COLUMNS) == len(fields)


def test_column_that_cannot_be_null_is_filled_with_something() -> None:
    for column in SCHEMA_COLUMNS:
        if column.about.field and not column.is_nullable:
            assert column.about.fill is not Fill.NULL, column.name
