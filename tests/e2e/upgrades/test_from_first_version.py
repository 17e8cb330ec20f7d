"""From 0.1: its records and its state are read, its store is refused in words, candles go on."""

import json
import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from support.previous_version import (
    FIRST_VERSION,
    EarlierVersion,
    UnavailableVersionError,
    check_out,
)
from support.upgrade_pipeline import SERVICES, Pipeline, now_ms
from support.wait import wait_until

pytestmark = pytest.mark.e2e

REFUSAL = (
    "table ohlc_1 exists with other columns (buy_volume, origin, stored_at): it is from an older "
    "version or not ours; choose another FEATURE_GROUP_VERSION and fill it by `make backfill` "
    "(docs/upgrading.md)"
)
VERSION_2 = {"FEATURE_GROUP_VERSION": "2"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    try:
        return check_out(FIRST_VERSION, tmp_path_factory.mktemp("first"))
    except UnavailableVersionError as error:
        pytest.skip(f"needs version 0.1: {error}")


@pytest.fixture(scope="module")
def left(
    first: EarlierVersion, module_broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """What 0.1 leaves: its aggregator was stopped first, with records it has not read."""
    pipeline = Pipeline(module_broker, first, tmp_path_factory.mktemp("pipeline"))
    try:
        aggregator, writer, producer = (pipeline.start(each, first) for each in SERVICES)
        pipeline.wait_for_rows()
        pipeline.stop(aggregator)
        pipeline.wait_for_more("trades")
        pipeline.stop(producer)
        pipeline.wait_until_read("feature-writer", "ohlc")
        pipeline.stop(writer)
        yield pipeline
    finally:
        pipeline.close()


@pytest.fixture(scope="module")
def upgraded(left: Pipeline) -> Pipeline:
    """The same under this version's services; the state was rebuilt once."""
    aggregator = left.start("ohlc-aggregator")
    left.wait_until_read("ohlc-aggregator", "trades")
    left.start("feature-writer", settings=VERSION_2)
    left.start("trade-producer")
    left.wait_for_rows(table="ohlc_2")
    left.stop(aggregator)
    shutil.rmtree(left.state)
    left.start("ohlc-aggregator")
    left.wait_for_rows(now_ms(), "ohlc_2")
    return left


@pytest.fixture(scope="module")
def days() -> dict[str, str]:
    """All that the exchange's history holds, which began minutes ago."""
    return {"FROM_DAY": str((datetime.now(UTC) - timedelta(days=1)).date())}


def dump(store: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def test_its_store_is_refused_in_one_line_and_left_as_it_was(
    left: Pipeline, days: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "features.db"
    shutil.copy(left.store, store)
    before = dump(store)
    url = {"FEATURE_STORE_URL": f"sqlite:///{store}"}
    features = ("--product", "BTC/USD", "--interval", "1s")
    refused = [
        left.start("feature-writer", settings=url),
        left.start("features", args=("candles", *features), settings=url),
        left.start("features", args=("latest", *features), settings=url),
        left.start("python", args=("-m", "ohlc_backfill.verify"), settings=days | url),
        left.start("local-stack", args=("run",), settings=url),
    ]
    for each in refused:
        assert each.wait(60) == 1, each.log()
        assert REFUSAL in each.log()
        assert len(each.log_lines()) == 1, each.log()
    assert dump(store) == before


def test_dashboard_says_so_and_shows_the_topics(left: Pipeline) -> None:
    dashboard = left.start("dashboard", settings={"DASHBOARD_PORT": "0"})
    address = dashboard.wait_for_log("dashboard http").split()[-1]
    query = "exchange=kraken&product=BTC/USD&interval=1s"

    def shown() -> dict[str, object]:
        with urllib.request.urlopen(f"{address}api/candles?{query}", timeout=30) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    wait_until(lambda: shown()["candles"], 30, "candles of the topic")
    assert shown()["store_problem"] == REFUSAL
    left.stop(dashboard)


def test_its_records_and_state_are_read_and_no_candle_is_lost_or_doubled(
    upgraded: Pipeline,
) -> None:
    upgraded.check_candles("ohlc_1", "ohlc_2")
    records = [each for each in upgraded.records("trades") if each["type"] == "trades"]
    in_objects = ["trades" in each for each in records]
    assert set(in_objects) == {True, False}
    # The producer went on behind the last trade of 0.1.
    ids = [id_ for each in records for id_ in trade_ids(each)]
    assert len(ids) == len(set(ids))
    upgraded.check_emitted()


def trade_ids(record: dict[str, list[dict[str, str]]]) -> list[object]:
    if "trades" in record:
        return [(record["product_id"], each["trade_id"]) for each in record["trades"]]
    return [(record["product_id"], each) for each in record["trade_ids"]]


def test_the_remedy_of_the_refusal_gives_a_whole_store(
    upgraded: Pipeline, days: dict[str, str]
) -> None:
    before = upgraded.rows()
    refused = upgraded.start("local-stack", args=("backfill",), settings=days)
    assert refused.wait(60) == 1, refused.log()
    assert refused.log_lines() == [f"local-stack: {REFUSAL}"]
    backfill = upgraded.start("local-stack", args=("backfill",), settings=days | VERSION_2)
    assert backfill.wait(90) == 0, backfill.log()
    upgraded.check_candles("ohlc_2")
    assert before.keys() <= upgraded.rows("ohlc_2").keys()
    assert upgraded.rows() == before


def test_going_back_0_1_refuses_the_store_but_neither_state_nor_records(
    upgraded: Pipeline, first: EarlierVersion
) -> None:
    """0.1 has no version of its state: docs/upgrading.md says what to do before going back."""
    upgraded.stop_all("ohlc-aggregator")
    upgraded.wait_for_more("trades")
    upgraded.stop_all("trade-producer", "feature-writer")
    writer = upgraded.start("feature-writer", first, settings=VERSION_2)
    assert writer.wait(60) == 1, writer.log()
    assert "table ohlc_2 exists with other columns (origin, stored_at)" in writer.log()
    aggregator = upgraded.start("ohlc-aggregator", first)
    upgraded.wait_until_read("ohlc-aggregator", "trades")
    upgraded.stop(aggregator)
    letters = upgraded.records("trades.dlq")
    assert {each["reason"] for each in letters} == {"malformed"}
    assert {each["detail"] for each in letters} == {"Object missing required field `trades`"}
