"""Claims about the feature store: writing, reading, features, Redis."""

from benchmarks.claims.model import Claim, Column, Command, row_of

_STORE, _FEATURE = "docs/feature-store.md", "docs/adding-a-feature.md"
_QUIET = "26 November 2026, two cores, nothing else running"
_NOVEMBER = "November 2026, two cores, CPython 3.11"

COMMANDS = [
    Command("store", "benchmarks/feature_store/run.py", _NOVEMBER, quick="--rows 20000 --repeat 1"),
    Command("writer", "benchmarks/feature_store/through_kafka.py", _NOVEMBER, quick="--rows 20000"),
    Command("online", "bench-online", _QUIET, "--reads 6000", quick="--reads 300 --products 20"),
    Command("online-busy", "bench-online", _QUIET, "--reads 6000 --pause 0",
            quick="--reads 300 --products 20 --pause 0"),
    Command("features", "bench-features", "two cores, nothing else running",
            quick="--products 20 --windows 3 --history-products 2"),
]  # fmt: skip


def _rival(short: str, rival: str, row: str) -> list[Claim]:
    columns = [
        Column("rate", "rate", ("rows/s",), "rows/s", "higher"),
        Column("cpu", "CPU a row", ("CPU us",), "us"),
        Column("by-clock", "ours is faster by clock", ("ours by clock",), "x", "higher"),
        Column("by-cpu", "ours is faster by CPU", ("ours by CPU",), "x", "higher"),
    ]
    return row_of(f"store-{short}", rival, _STORE, row, columns, command="store", place=(rival,))


def _online(short: str, call: str, row: str) -> list[Claim]:
    columns = [Column(share, share, (share,), "ms") for share in ("p50", "p99")]
    name = f"online-{short}"
    return row_of(name, call, _STORE, row, columns, command="online", place=(call,))


_BUSY = "`latest` from Redis has p99 1.44 ms, the bare PING 0.78 ms"
_LIVE = "p50 160 ms, p99 222 ms; candles alone 74 and 117 ms"
_BACK = "0.59, 0.56, 0.58 (17,500 candles/s against 30,300)"
_VECTOR = "p50 0.1 ms, p99 0.4 ms"


def _busy(short: str, call: str, figure: str) -> Claim:
    says = f"{call}, p99, with a writer that fills the other core"
    name = f"online-busy-{short}"
    return Claim(name, says, _STORE, _BUSY, figure, "ms", "online-busy", (call, "p99"))


def _took(part: str, says: str, quote: str, p50: str, p99: str) -> list[Claim]:
    return [
        Claim(f"features-{part.replace(', ', '-').replace(' ', '-')}-{share}", f"{says}, {share}",
              _FEATURE, quote, figure, "ms", "features", (part, share))
        for share, figure in (("p50", p50), ("p99", p99))
    ]  # fmt: skip


def _rate(part: str, key: str, says: str, quote: str, figure: str, *, unit: str) -> Claim:
    name, place = f"features-{part}-{key.partition(' ')[0].replace('/', '-')}", (part, key)
    return Claim(name, says, _FEATURE, quote, figure, unit, "features", place, "higher")


CLAIMS = [
    *_rival("ready", "sqlite3, ready rows", "| sqlite3, ready rows (no candle to convert, no rule to apply) | 265,284 | 3.6 us | 0.49, 0.47 |"),
    *_rival("candles", "sqlite3, candles", "| sqlite3, rows made from the same candles | 152,744 | 6.3 us | 0.84, 0.84 |"),
    *_rival("sqlalchemy", "SQLAlchemy Core", "| SQLAlchemy Core, ready dicts | 93,616 | 10.5 us | 1.38, 1.39 |"),
    *_rival("ours", "local store", "| the local store, from candles | 128,895 | 7.6 us | |"),
    Claim("store-history", "the whole history, time by that of bare ADBC", _STORE,
          "1.00 times the bare ADBC read", "1.00", "x", "store", ("history", "ratio")),
    Claim("writer-rate", "the whole service, from a million candles on Kafka", _STORE,
          "56,879 rows/s", "56,879", "rows/s", "writer", ("rows/s",), "higher"),
    *_online("ping", "PING", "| a bare PING of the server | 0.06 ms | 0.34 ms |"),
    *_online("latest", "latest of Redis", "| `latest` of one product from Redis | 0.24 ms | 0.61 ms |"),
    *_online("vector", "vector of Redis", "| `vector` from Redis | 0.24 ms | 0.69 ms |"),
    *_online("latest-sqlite", "latest of SQLite", "| `latest` of one product from SQLite on the same machine | 0.13 ms | 0.35 ms |"),
    *_online("vector-sqlite", "vector of SQLite", "| `vector` from SQLite | 0.09 ms | 0.28 ms |"),
    _busy("latest", "latest of Redis", "1.44"),
    _busy("ping", "PING", "0.78"),
    *_took("live, with features", "1,000 products' rows with features, appended to readable", _LIVE, "160", "222"),
    *_took("live, candles alone", "the same, candles alone", _LIVE, "74", "117"),
    _rate("backfill", "ratio", "backfill with features by that without", _BACK, "0.58", unit="x"),
    _rate("backfill", "with", "backfill with features", _BACK, "17,500", unit="candles/s"),
    _rate("backfill", "without", "backfill without features", _BACK, "30,300", unit="candles/s"),
    _rate("build", "rows per second of CPU", "`features build`, by CPU", "35,400 rows per second of CPU", "35,400", unit="rows/s"),
    *_took("vector", "`vector` while the writer writes", _VECTOR, "0.1", "0.4"),
]  # fmt: skip
