"""From the last release, or else from the last commit: everything is read, nothing is refused.

UPGRADE_FROM names another ref.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.domain.product_state import STATE_VERSION
from support.previous_version import (
    EarlierVersion,
    UnavailableVersionError,
    check_out,
    previous_ref,
)
from support.upgrade_pipeline import SERVICES, Pipeline, now_ms

pytestmark = pytest.mark.e2e

STATE_MODULE = "ohlc_core.domain.product_state"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    try:
        return check_out(previous_ref(), tmp_path_factory.mktemp("previous"))
    except UnavailableVersionError as error:
        pytest.skip(f"needs the previous version: {error}")


@pytest.fixture(scope="module")
def later(previous: EarlierVersion, tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    """The previous version with the one change that this version must not read its state."""
    folder: Path = tmp_path_factory.mktemp("later")
    later = check_out(previous.ref, folder)
    file = later.folder / "libs" / f"{STATE_MODULE.replace('.', '/')}.py"
    before = f"STATE_VERSION = {previous.value(STATE_MODULE, 'STATE_VERSION')}\n"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, f"STATE_VERSION = {STATE_VERSION + 1}\n"), "utf-8")
    return later


@pytest.fixture(scope="module")
def pipeline(
    module_broker: LocalBroker, previous: EarlierVersion, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    pipeline = Pipeline(module_broker, previous, tmp_path_factory.mktemp("pipeline"))
    yield pipeline
    pipeline.close()


def test_upgraded_one_service_after_the_other_no_candle_is_lost_or_doubled(
    pipeline: Pipeline, previous: EarlierVersion
) -> None:
    aggregator, writer, producer = (pipeline.start(each, previous) for each in SERVICES)
    pipeline.wait_for_rows()
    tables = pipeline.tables()
    pipeline.stop(writer)
    before = pipeline.rows()
    pipeline.start("feature-writer")
    pipeline.wait_for_rows(now_ms())
    pipeline.stop(aggregator)
    aggregator = pipeline.start("ohlc-aggregator")
    aggregator.wait_for_log("aggregating")
    pipeline.stop(producer)
    pipeline.start("trade-producer")
    pipeline.wait_for_rows(now_ms())
    # Rebuilt from the changelog topic, to which both versions wrote.
    pipeline.stop(aggregator)
    shutil.rmtree(pipeline.state)
    pipeline.start("ohlc-aggregator")
    pipeline.check_candles("ohlc_1")
    pipeline.stop_all(*SERVICES)
    assert pipeline.tables() == tables
    rows = pipeline.rows()
    assert {key: rows.get(key) for key in before} == before
    pipeline.check_emitted()


def test_state_of_a_later_version_is_refused_before_anything_is_written(
    pipeline: Pipeline, later: EarlierVersion
) -> None:
    aggregator, producer = (
        pipeline.start(each, later) for each in ("ohlc-aggregator", "trade-producer")
    )
    pipeline.wait_for_more("ohlc")
    pipeline.stop(aggregator)
    pipeline.wait_for_more("trades")
    pipeline.stop(producer)
    before = pipeline.ends()
    for is_rebuilt in (False, True):
        if is_rebuilt:
            shutil.rmtree(pipeline.state)
        refused = pipeline.start("ohlc-aggregator")
        assert refused.wait(60) == 1, refused.log()
        line = refused.log_lines()[-1]
        assert "was written by a later version of the aggregator" in line
        assert f"its version is {STATE_VERSION + 1}, and this code knows up to" in line
        assert "docs/upgrading.md" in line
        assert "Traceback" not in refused.log()
    assert pipeline.ends() == before
    # The later version goes on as if nothing had been.
    pipeline.start("ohlc-aggregator", later)
    pipeline.wait_until_read("ohlc-aggregator", "trades")
    pipeline.check_emitted()
