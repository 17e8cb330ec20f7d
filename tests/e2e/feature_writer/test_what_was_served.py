"""A running pipeline, sampled: training sees no candle that serving had not seen."""

import time
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from ohlc_features import FeatureReader
from support.feature_db import stored_rows
from support.kafka import OwnBroker
from support.processes import Processes
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.e2e

_PRODUCT = "BTC/USD"
_SECONDS = 12


class Sample(NamedTuple):
    """The newest row's window end, read between two moments (ms)."""

    before: int
    after: int
    window_end: int


def _sample(reader: FeatureReader) -> Sample:
    before = time.time_ns() // 1_000_000
    newest = reader.latest("kraken", _PRODUCT, "1s")
    after = time.time_ns() // 1_000_000
    return Sample(before, after, int(newest["window_end"].cast(pl.Int64).item()))


def _ends(reader: FeatureReader, moments: list[int], *, served: bool) -> list[int]:
    labels = pl.DataFrame({"product_id": [_PRODUCT] * len(moments), "time": moments})
    joined = reader.as_of(labels, "kraken", "1s", columns="window_end", served=served)
    return joined["window_end"].cast(pl.Int64).fill_null(0).to_list()


def test_no_label_sees_more_than_was_served_when_it_happened(
    own_broker: OwnBroker, processes: Processes, tmp_path: Path
) -> None:
    store = tmp_path / "store" / "features.db"
    simulator = start_simulator(product_ids=_PRODUCT, simulator_rate=40, simulator_seed=7)
    with simulator:
        env = {
            "KAFKA_BROKER_ADDRESS": own_broker().address,
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": _PRODUCT,
            "OHLC_INTERVALS": "1s",
            "FEATURE_STORE_URL": f"sqlite:///{store}",
            "STATE_DIR": str(tmp_path / "state"),
        }
        for script in ("ohlc-aggregator", "feature-writer", "trade-producer"):
            processes(script, env)
        wait_until(lambda: stored_rows(store).latest, 90, "the first row")
        with FeatureReader.open(f"sqlite:///{store}") as reader:
            samples = []
            end = time.monotonic() + _SECONDS
            while time.monotonic() < end:
                samples.append(_sample(reader))
                time.sleep(0.005)  # the rate of sampling
            rows = reader.candles("kraken", _PRODUCT, "1s")
            served = _ends(reader, [each.before for each in samples], served=True)
            soon_after = _ends(reader, [each.after + 500 for each in samples], served=True)
            usual = _ends(reader, [each.before for each in samples], served=False)
    assert len({each.window_end for each in samples}) >= _SECONDS // 2
    for sample, then, later in zip(samples, served, soon_after, strict=True):
        assert then <= sample.window_end <= later
    # With the default delay, the same holds for every row that came no later than the delay.
    late = rows.filter(pl.col("stored_at") - pl.col("window_end") > pl.duration(milliseconds=2_000))
    ends_of_late = set(late["window_end"].cast(pl.Int64))
    for sample, then in zip(samples, usual, strict=True):
        assert then <= sample.window_end or then in ends_of_late
