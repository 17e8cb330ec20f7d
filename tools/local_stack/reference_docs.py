"""Writes docs/columns.md and docs/schemas: ``python -m local_stack.reference_docs``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.messages.records import DeadLetter, GapMessage, StartMessage, WatermarkMessage
from ohlc_core.messages.trades_record import TradesRecord
from ohlc_features.hopsworks.group import FEATURE_TYPES
from ohlc_features.reading.frames import SCHEMA
from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY, SCHEMA_COLUMNS, Fill, Kind
from ohlc_features.sql.tables import FeatureTables

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_RECORDS: dict[str, type[msgspec.Struct]] = {
    "trades": TradesRecord,
    "start": StartMessage,
    "watermark": WatermarkMessage,
    "gap": GapMessage,
    "candle": Candle,
    "dead-letter": DeadLetter,
}

#: What a trades record's raw columns hold.
_COLUMNS_OF_TRADES = {
    "trade_ids": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    "prices": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "quantities": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "sides": {"type": "string", "pattern": "^[bs-]+$"},
    "timestamps_us": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
}

_JSON_TYPES = {
    Kind.TEXT: "string",
    Kind.TIME: "integer",
    Kind.DOUBLE: "number",
    Kind.COUNT: "integer",
    Kind.FLAG: "boolean",
}

_FILLED = {
    Fill.KEY: "its own",
    Fill.WINDOW_END: "its own",
    Fill.LAST_CLOSE: "the close before",
    Fill.ZERO: "0",
    Fill.TRUE: "true",
    Fill.NULL: "null",
}

_HEAD = f"""\
# Columns of a feature row

Written by `make settings` from `libs/ohlc_features/schema.py`, the one place where a column is
added: the types of all stores and frames, the checks, filled windows and this page follow from it.

Key of the history: {", ".join(f"`{name}`" for name in HISTORY_KEY)}; of the newest row:
{", ".join(f"`{name}`" for name in ONLINE_KEY)}. Event time: `window_end`. Times are ms since
the Unix epoch, UTC; frames show them as datetimes. `origin` and `stored_at` say who wrote the row
and when; they are no part of parity. The table of replaced rows has one more, `replaced_at`.

| column | meaning | null | of the record's | SQL | polars | Hopsworks | filled window |
|---|---|---|---|---|---|---|---|
"""


def columns_document() -> str:
    """Return docs/columns.md."""
    table = FeatureTables("ohlc", 1).history
    lines = []
    for column in SCHEMA_COLUMNS:
        name, about = column.name, column.about
        cells = (
            f"`{name}`",
            about.meaning,
            "yes" if column.is_nullable else "",
            f"`{about.field}`" if about.field else "",
            str(table.c[name].type),
            str(SCHEMA[name]),
            FEATURE_TYPES[name],
            _FILLED[about.fill],
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return _HEAD + "".join(lines)


def schema_documents() -> dict[str, str]:
    """Return the JSON Schema files by name."""
    schemas = {name: _record_schema(kind) for name, kind in _RECORDS.items()}
    schemas["feature-row"] = _row_schema()
    return {
        f"{name}.json": json.dumps({"$schema": _DIALECT, **schema}, indent=2) + "\n"
        for name, schema in schemas.items()
    }


def _record_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schema: dict[str, Any] = _on_the_wire(msgspec.json.schema(kind)["$defs"][kind.__name__])
    schema["description"] = " ".join(schema["description"].partition("\n")[0].split())
    if kind is TradesRecord:
        schema["properties"] |= _COLUMNS_OF_TRADES
    return schema


def _on_the_wire(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a schema in which exact decimals are the JSON numbers that the codec writes."""
    if schema == {"type": "string", "format": "decimal"}:
        return {"type": "number"}
    if isinstance(schema, Mapping):
        return {key: _on_the_wire(value) for key, value in schema.items()}
    return [_on_the_wire(each) for each in schema] if isinstance(schema, list) else schema


def _row_schema() -> dict[str, Any]:
    return {
        "title": "FeatureRow",
        "description": "One row of a feature store.",
        "type": "object",
        "properties": {
            column.name: {
                "description": column.about.meaning,
                "type": [_JSON_TYPES[column.about.kind], "null"]
                if column.is_nullable
                else _JSON_TYPES[column.about.kind],
            }
            for column in SCHEMA_COLUMNS
        },
        "required": [column.name for column in SCHEMA_COLUMNS],
    }


def documents() -> dict[Path, str]:
    """Return every document that is written from the code, by its path."""
    schemas = {_DOCS / "schemas" / name: text for name, text in schema_documents().items()}
    return {_DOCS / "columns.md": columns_document(), **schemas}


def main() -> None:
    """Write the documents."""
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
