"""The real Hopsworks client, in the writer's process, against the stub of the cluster."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from local_stack.processes import ManagedProcess
from ohlc_core.domain.candle import Candle
from ohlc_core.messages.topics import TopicNames
from ohlc_features.schema import CANDLE_COLUMNS, feature_row
from support.candle_records import candle
from support.hopsworks_client import hopsworks_script
from support.hopsworks_stub import Fault, HopsworksStub, IngestedRow, ingested_rows
from support.kafka import OwnBroker, create_topics
from support.processes import Processes
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = [pytest.mark.e2e, pytest.mark.hopsworks]

#: Starts a writer with Hopsworks settings; more settings as keywords.
StartWriter = Callable[..., ManagedProcess]


@pytest.fixture
def pipeline(
    broker: LocalBroker, unique_topics: TopicNames, tmp_path: Path, processes: Processes
) -> WriterPipeline:
    return WriterPipeline(broker.address, unique_topics, tmp_path, processes)


@pytest.fixture
def stub(broker: LocalBroker, unique_run_id: str, tmp_path: Path) -> Iterator[HopsworksStub]:
    project = unique_run_id.replace("-", "_")
    with HopsworksStub(tmp_path, broker.address, project) as started:
        create_topics(broker.address, started.backend.topic)
        yield started
        assert started.unknown == []


@pytest.fixture
def writer(stub: HopsworksStub, pipeline: WriterPipeline, tmp_path: Path) -> Iterator[StartWriter]:
    script = hopsworks_script("feature-writer")
    started: list[ManagedProcess] = []

    def start(**settings: str) -> ManagedProcess:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONUNBUFFERED": "1",
            "KAFKA_BROKER_ADDRESS": pipeline.address,
            "RUN_ID": pipeline.names.run_id,
            "FEATURE_STORE": "hopsworks",
            "HOPSWORKS_HOST": stub.host,
            "HOPSWORKS_CA_LOCATION": str(stub.ca_path),
            "HOPSWORKS_PROJECT_NAME": stub.backend.project,
            "HOPSWORKS_API_KEY": "right-key",
            **settings,
        }
        log = tmp_path / f"writer-{len(started)}.log"
        process = ManagedProcess("feature-writer", [str(script)], log, env=env, cwd=tmp_path)
        process.start()
        started.append(process)
        return process

    yield start
    for each in started:
        each.kill()


def _values(rows: list[IngestedRow]) -> list[dict[str, object]]:
    return [_shown(row) for row in rows]


def _shown(row: IngestedRow) -> dict[str, object]:
    return {name: row.values[name] for name in CANDLE_COLUMNS}


def _expected(*candles: Candle) -> list[dict[str, object]]:
    return [dict(zip(CANDLE_COLUMNS, feature_row(each), strict=False)) for each in candles]


def _materialized(rows: list[IngestedRow]) -> list[dict[str, object]]:
    """Return the offline store's rows: of each key and event time the last one."""
    merged = {(row.key, row.values["window_end"]): _shown(row) for row in rows}
    return [merged[key] for key in sorted(merged)]


def _online(rows: list[IngestedRow]) -> dict[str, dict[str, object]]:
    """Return the online store's rows: of each key the newest event time, offline rows apart."""
    newest: dict[str, dict[str, object]] = {}
    for row in rows:
        old = newest.get(row.key)
        if row.storage != "offline" and (
            old is None or not row.upsert_if_newer or row.values["window_end"] >= old["window_end"]
        ):
            newest[row.key] = _shown(row)
    return newest


def test_rows_reach_the_ingestion_topic_exactly_as_the_candles_say(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter
) -> None:
    candles = [candle(n, product_id=p) for p in ("BTC/USD", "ETH/USD") for n in range(5)]
    flat = candle(5, first_trade_id=None, last_trade_id=None)
    pipeline.produce(*candles, flat)
    process = writer()
    pipeline.wait_until_stored(60, process)
    rows = ingested_rows(stub.backend)
    everything = sorted(_expected(*candles, flat), key=str)
    assert sorted(_values(rows), key=str) == everything
    assert {row.key for row in rows} == {"1mkrakenBTC/USD", "1mkrakenETH/USD"}
    online = _online(rows)
    assert online["1mkrakenBTC/USD"] == _expected(flat)[0]
    assert online["1mkrakenETH/USD"] == _expected(candles[-1])[0]

    (group,) = stub.backend.groups.values()
    assert [each for each in stub.backend.schedules] == ["ohlc_1_offline_fg_materialization"]
    assert sorted(f["name"] for f in group["features"] if f["primary"]) == sorted(
        ("exchange", "product_id", "candle_interval")
    )
    assert (group["eventTime"], group["type"]) == ("window_end", "streamFeatureGroupDTO")
    assert group["onlineEnabled"] is True
    assert group["statisticsConfig"]["enabled"] is False
    assert list(stub.backend.views) == [("ohlc", 1)]
    assert stub.backend.job_runs == []
    assert process.stop() == 0


def test_materialization_can_follow_every_batch(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter
) -> None:
    pipeline.produce(candle())
    process = writer(HOPSWORKS_MATERIALIZATION="each-batch")
    pipeline.wait_until_stored(60, process)
    assert len(stub.backend.job_runs) == 1
    assert stub.backend.schedules == {}


def test_backend_that_limits_fails_or_hangs_only_delays_the_rows(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter
) -> None:
    first = candle(0)
    pipeline.produce(first)
    process = writer(HOPSWORKS_TIMEOUT_SECONDS="2")
    pipeline.wait_until_stored(60, process)
    faults = [
        Fault("online_ingestion", 429, times=2, retry_after=1),
        Fault("kafka_connector", 500, times=2),
        Fault("online_ingestion", 0, times=1, hang_seconds=10),
        Fault("online_ingestion", 503, times=1),
    ]
    later = [candle(n) for n in range(1, len(faults) + 1)]
    for fault, each in zip(faults, later, strict=True):
        stub.fail(fault)
        pipeline.produce(each)
        pipeline.wait_until_stored(60, process)
    corrected = candle(2, close="7", revision=1)
    pipeline.produce(corrected)
    pipeline.wait_until_stored(60, process)
    rows = ingested_rows(stub.backend)
    assert _materialized(rows) == _expected(first, later[0], corrected, *later[2:])
    assert _online(rows)["1mkrakenBTC/USD"] == _expected(later[-1])[0]
    logins = [call for call in stub.calls if "getProjectInfo" in call]
    assert len(logins) == 1
    log = "\n".join(process.log_lines())
    assert "answered 429" in log
    assert "did not answer in time" in log
    assert "right-key" not in log


def test_ingestion_broker_that_drops_away_only_delays_the_rows(
    own_broker: OwnBroker, pipeline: WriterPipeline, writer: StartWriter, stub: HopsworksStub
) -> None:
    ingestion = own_broker()
    create_topics(ingestion.address, stub.backend.topic)
    stub.backend.broker = ingestion.address
    before, meanwhile = candle(0), candle(1)
    pipeline.produce(before)
    process = writer(HOPSWORKS_TIMEOUT_SECONDS="3")
    pipeline.wait_until_stored(60, process)
    ingestion.process.pause()
    pipeline.produce(meanwhile)
    wait_until(
        lambda: any("not kept, reading is paused" in line for line in process.log_lines()),
        40,
        "the writer to notice the broker",
    )
    ingestion.process.resume()
    pipeline.wait_until_stored(60, process)
    assert _materialized(ingested_rows(stub.backend)) == _expected(before, meanwhile)


def test_key_that_is_withdrawn_ends_the_writer_and_the_next_one_writes_the_rest(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter
) -> None:
    pipeline.produce(candle(0))
    process = writer()
    pipeline.wait_until_stored(60, process)
    stub.backend.api_key = "new-key"
    pipeline.produce(candle(1))
    assert process.wait(30) == 1
    assert "correct HOPSWORKS_API_KEY" in process.log_lines()[-1]
    pipeline.wait_until_stored(60, writer(HOPSWORKS_API_KEY="new-key"))
    assert _materialized(ingested_rows(stub.backend)) == _expected(candle(0), candle(1))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"HOPSWORKS_API_KEY": "wrong-key"}, "refused the API key (Invalid API key)"),
        ({"HOPSWORKS_PROJECT_NAME": "nope"}, "nope"),
        ({"HOPSWORKS_CA_LOCATION": ""}, "set HOPSWORKS_CA_LOCATION"),
        ({"FEATURE_GROUP_NAME": "OHLC"}, "lower case only"),
        (
            {"HOPSWORKS_HOST": "localhost:1", "FEATURE_STORE_STARTUP_TIMEOUT_SECONDS": "1"},
            "Hopsworks at localhost:1 cannot be reached",
        ),
    ],
)
def test_wrong_settings_are_one_clear_line_and_exit_1(
    writer: StartWriter, settings: dict[str, str], text: str
) -> None:
    process = writer(**settings)
    assert process.wait(30) == 1
    last = process.log_lines()[-1]
    assert text in last
    assert "Traceback" not in "\n".join(process.log_lines())
    assert "wrong-key" not in "\n".join(process.log_lines())


def test_group_with_another_schema_is_refused(stub: HopsworksStub, writer: StartWriter) -> None:
    feature = {"name": "product_id", "type": "string", "primary": True, "partition": False}
    stub.backend.new_group(
        {
            "name": "ohlc",
            "version": 1,
            "type": "streamFeatureGroupDTO",
            "features": [feature],
            "timeTravelFormat": "DELTA",
            "onlineEnabled": True,
        }
    )
    process = writer()
    assert process.wait(30) == 1
    assert "choose another version (FEATURE_GROUP_VERSION" in process.log_lines()[-1]


DEFINITIONS = """
from ohlc_features.define import FeatureGroup, ta
group = FeatureGroup("probe", version=2, intervals=["1m"])

@group.feature(window=3, unit="ratio", about="change over two candles")
def change(c):
    return ta.returns(c.close, 2)

@group.feature(window=1, btc=("1m", 2, "BTC/USD"), unit="price", about="less bitcoin before")
def gap(c, btc):
    return c.close[-1] - btc.close[-2]
"""


def test_feature_rows_reach_a_group_of_their_own_and_survive_outages_and_restarts(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter, tmp_path: Path
) -> None:
    file = tmp_path / "definitions.py"
    file.write_text(DEFINITIONS, "utf-8")
    settings = {"FEATURE_DEFINITIONS": str(file), "HOPSWORKS_TIMEOUT_SECONDS": "2"}
    closes = ["10", "11", "12", "13", "14", "15"]
    candles = [
        candle(n, product_id=product, close=close)
        for n, close in enumerate(closes)
        for product in ("BTC/USD", "ETH/USD")
    ]
    pipeline.produce(*candles[:6])
    process = writer(**settings)
    pipeline.wait_until_stored(60, process)
    stub.fail(Fault("online_ingestion", 503, times=3))
    pipeline.produce(*candles[6:8], candle(1, close="20", revision=1, trade_count=42))
    pipeline.wait_until_stored(60, process)
    assert process.stop() == 0
    pipeline.produce(*candles[8:])
    process = writer(**settings)
    pipeline.wait_until_stored(60, process)
    assert process.stop() == 0

    (ohlc, probe) = stub.backend.groups.values()
    assert (ohlc["name"], probe["name"], probe["version"]) == ("ohlc", "probe", 2)
    assert {each["name"]: each.get("description") for each in probe["features"]} | {
        "change": "change over two candles [ratio]; of c=3xown",
        "gap": "less bitcoin before [price]; of c=1xown btc=2x1m:BTC/USD",
    } == {each["name"]: each.get("description") for each in probe["features"]}
    assert list(stub.backend.views) == [("ohlc", 1), ("probe", 2)]
    found = {
        (row.values["product_id"], row.values["window_end"]): row.values
        for row in ingested_rows(stub.backend)
        if row.group == probe["id"]
    }
    bitcoin = [10.0, 20.0, *map(float, closes[2:])]
    for product, prices in (("BTC/USD", bitcoin), ("ETH/USD", [float(each) for each in closes])):
        for n, price in enumerate(prices):
            row = found.pop((product, candle(n).window_end_ms))
            assert row["change"] == (price / prices[n - 2] - 1 if n >= 2 else None)
            assert row["gap"] == (price - bitcoin[n - 1] if n >= 1 else None)
            assert row["complete"] is (n >= 2)
    assert found == {}


def test_quota_is_reported_in_the_backends_words(
    stub: HopsworksStub, pipeline: WriterPipeline, writer: StartWriter
) -> None:
    stub.fail(Fault("featuregroups", 403, message="Quota of feature groups reached", times=9))
    pipeline.produce(candle())
    process = writer()
    assert process.wait(30) == 1
    assert "Quota of feature groups reached" in process.log_lines()[-1]
