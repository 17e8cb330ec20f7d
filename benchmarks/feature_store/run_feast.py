"""The same rows pushed to Feast's local provider: Parquet offline, SQLite online.

Runs in an environment of its own, which knows nothing of this project: pip install feast==0.67.0.
Prints one line of JSON.
"""

import json
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.data_source import PushMode
from feast.types import Float64, Int64, String

BATCH = 5_000
START = datetime(2026, 9, 21, tzinfo=UTC)
DOUBLES = ["open", "high", "low", "close", "volume", "vwap", "buy_volume"]


def frame(begin: int, count: int) -> pd.DataFrame:
    """Return rows ``begin``.. as a frame: 1440 windows of one product, then of the next."""
    rng = random.Random(begin)
    rows = []
    for number in range(begin, begin + count):
        product, window = number // 1_440 % 200, number % 1_440
        row = {name: rng.random() * 100_000 for name in DOUBLES}
        end = START + timedelta(minutes=window + 1)
        row |= {"product_id": f"P{product:03d}/USD", "window_end": end, "created": end}
        row |= {"trade_count": 41, "first_trade_id": "1", "last_trade_id": "41"}
        rows.append(row)
    return pd.DataFrame(rows)


def open_store(folder: Path) -> FeatureStore:
    """Return a new repository with one feature view that takes pushes."""
    (folder / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: registry.db\n"
        "online_store: {type: sqlite, path: online.db}\noffline_store: {type: file}\n"
        "entity_key_serialization_version: 3\n"
    )
    path = folder / "ohlc.parquet"
    frame(0, 1).to_parquet(path)
    source = FileSource(
        path=str(path), timestamp_field="window_end", created_timestamp_column="created"
    )
    entity = Entity(name="product", join_keys=["product_id"])
    view = FeatureView(
        name="ohlc",
        entities=[entity],
        ttl=timedelta(days=3650),
        schema=[
            Field(name="product_id", dtype=String),
            *(Field(name=name, dtype=Float64) for name in DOUBLES),
            Field(name="trade_count", dtype=Int64),
            *(Field(name=name, dtype=String) for name in ("first_trade_id", "last_trade_id")),
        ],
        source=PushSource(name="ohlc_push", batch_source=source),
        online=True,
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([entity, view])
    return store


def main() -> None:
    """Push the rows, then read newest rows."""
    rows = int(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
        store = open_store(Path(folder))
        seconds = 0.0
        for begin in range(0, rows, BATCH):
            batch = frame(begin, min(BATCH, rows - begin))
            start = time.perf_counter()
            store.push("ohlc_push", batch, to=PushMode.ONLINE_AND_OFFLINE)
            seconds += time.perf_counter() - start
        latencies = []
        for _ in range(300):
            start = time.perf_counter()
            store.get_online_features(["ohlc:close"], [{"product_id": "P000/USD"}]).to_dict()
            latencies.append((time.perf_counter() - start) * 1_000)
    cuts = statistics.quantiles(latencies, n=100)
    figures = {
        "rows": rows,
        "rows/s pushed": rows / seconds,
        "newest row p50 ms (nothing being written)": cuts[49],
        "newest row p99 ms (nothing being written)": cuts[98],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
