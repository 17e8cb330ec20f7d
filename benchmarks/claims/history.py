"""Claims about history: the aggregator against its rivals, backfills, a warehouse."""

from benchmarks.claims.model import Claim, Column, Command, row_of

_AGGREGATOR, _BACKFILL = "docs/aggregator.md", "docs/backfill.md"
_QUIET = "26 November 2026, two cores, nothing else running"
_POSTGRES = "tests/service/ohlc_history/test_postgres_source.py"


def _postgres(name: str, rows: str) -> Command:
    return Command(
        name,
        _POSTGRES,
        "November 2026, two cores",
        variables={"POSTGRES_TRADES": rows},
        quick_variables={"POSTGRES_TRADES": "20000"},
        writes_json=False,
    )


COMMANDS = [
    Command("aggregator", "bench", _QUIET, "--products 4 1000",
            quick="--products 4 1000 --trades 40000 --rounds 1"),
    Command("backfill", "benchmarks/backfill.py", _QUIET, "--trades 10000000",
            quick="--trades 200000"),
    _postgres("postgres-2m", "2000000"),
    _postgres("postgres-10m", "10000000"),
]  # fmt: skip


def _rival(products: str, short: str, rival: str, row: str) -> list[Claim]:
    columns = [
        Column("rate", "rate", ("trades/s",), "trades/s", "higher"),
        Column("wall", "clock a trade", ("wall us",), "us"),
        Column("cpu", "CPU a trade", ("CPU us",), "us"),
        Column("by-clock", "ours is faster by clock", ("ours by clock",), "x", "higher"),
        Column("by-cpu", "ours is faster by CPU", ("ours by CPU",), "x", "higher"),
    ]
    says = f"{int(products):,} products, {rival}"
    name = f"aggregator-{products}-{short}"
    place = (products, rival)
    return row_of(name, says, _AGGREGATOR, row, columns, command="aggregator", place=place)


def _resident(quarter: int, figure: str) -> Claim:
    return Claim(
        f"aggregator-resident-{quarter + 1}",
        f"4 products, resident memory at quarter {quarter + 1}",
        _AGGREGATOR,
        "176, 181, 181, 139 MB at the quarters",
        figure,
        "MB",
        "aggregator",
        ("4", "aggregator, at-least-once", "resident_mb", quarter),
    )


def _way(short: str, way: str, row: str) -> list[Claim]:
    columns = [
        Column("seconds", "time", ("s",), "s"),
        Column("rate", "rate", ("trades/s",), "trades/s", "higher"),
        Column("whole", "the whole path's rate by this one's", ("whole path is",), "x", "higher"),
    ]
    name = f"backfill-{short}"
    return row_of(name, way, _BACKFILL, row, columns, command="backfill", place=(0, way))


_CPU = "replayer and proof together 30 s, aggregator 12 s, writer 5 s"
_PEAK = "peak memory 754, 140 and 87 MB"


def _cost(short: str, service: str, cpu: str, peak: str) -> list[Claim]:
    where, given = _BACKFILL, "backfill"
    return [
        Claim(f"backfill-{short}-cpu", f"{service}, CPU of the whole path", where, _CPU, cpu, "s",
              given, (0, "CPU s", service)),
        Claim(f"backfill-{short}-memory", f"{service}, peak memory", where, _PEAK, peak, "MB",
              given, (0, "peak MB", service)),
    ]  # fmt: skip


def _warehouse(command: str, rows: str, figure: str) -> Claim:
    return Claim(
        command,
        f"{rows} rows of PostgreSQL replayed",
        _BACKFILL,
        "168,000 rows/s of 2 million and 139,000 of 10 million",
        figure,
        "rows/s",
        command,
        r"rows of PostgreSQL, ([\d,]+) rows/s",
        "higher",
    )


CLAIMS = [
    *_rival("4", "decode", "consume, decode an object a trade", "| consume, decode an object a trade | 1,320,132 | 0.76 | 0.48 | 1.12 x | 0.67 x |"),
    *_rival("4", "ours", "aggregator, at-least-once", "| **aggregator, at-least-once** | 1,474,926 | 0.68 | 0.71 | | |"),
    *_rival("4", "exactly-once", "aggregator, exactly-once", "| **aggregator, exactly-once** | 1,467,351 | 0.68 | 0.72 | | |"),
    *_rival("4", "quixstreams", "stock quixstreams window", "| stock quixstreams window | 24,058 | 41.57 | 41.84 | 61 x | 59 x |"),
    *_rival("4", "bytewax", "bytewax fold_window", "| bytewax fold_window | 317,965 | 3.15 | 3.85 | 4.6 x | 5.4 x |"),
    *_rival("1000", "decode", "consume, decode an object a trade", "| consume, decode an object a trade | 1,328,021 | 0.75 | 0.49 | 0.80 x | 0.46 x |"),
    *_rival("1000", "ours", "aggregator, at-least-once", "| **aggregator, at-least-once** | 1,062,699 | 0.94 | 1.08 | | |"),
    *_rival("1000", "exactly-once", "aggregator, exactly-once", "| **aggregator, exactly-once** | 991,080 | 1.01 | 1.09 | | |"),
    *_rival("1000", "quixstreams", "stock quixstreams window", "| stock quixstreams window | 21,408 | 46.71 | 46.95 | 50 x | 43 x |"),
    *_rival("1000", "bytewax", "bytewax fold_window", "| bytewax fold_window | 834,376 | 1.20 | 3.53 | 1.3 x | 3.3 x |"),
    Claim("aggregator-many-by-few", "CPU a trade with 1,000 products by that with 4", _AGGREGATOR,
          "CPU per trade is 1.42 times that with 4 products", "1.42", "x", "aggregator",
          ("CPU per trade, many by few",)),
    *(_resident(*each) for each in enumerate(("176", "181", "181", "139"))),
    Claim("aggregator-trade-bytes", "a trade in a record, before compression", _AGGREGATOR,
          "A trade takes 49.7 bytes before compression", "49.7", "bytes", "aggregator",
          ("4", "aggregator, at-least-once", "bytes_per_trade")),
    *_way("replayer", "replayer alone (with its start)", "| replayer alone, files to topic (with its start) | 12.5 | 797,891 | 0.53 x |"),
    *_way("aggregator", "aggregator alone (its ceiling)", "| aggregator alone, its ceiling | 8.4 | 1,185,792 | 0.36 x |"),
    *_way("whole", "whole path, to the last row stored", "| **whole path**, to the last row stored | 23.6 | **424,202** | |"),
    *_way("proof", "and the proof after it", "| the proof after it | 14.6 | 683,510 | |"),
    *_way("batch", "one batch in polars, floats", "| one batch in polars, with floats | 3.1 | 3,271,503 | 0.13 x |"),
    *_cost("replayer", "trade-replayer", "30", "754"),
    *_cost("aggregator", "ohlc-aggregator", "12", "140"),
    *_cost("writer", "feature-writer", "5", "87"),
    _warehouse("postgres-2m", "2 million", "168,000"),
    _warehouse("postgres-10m", "10 million", "139,000"),
]  # fmt: skip
