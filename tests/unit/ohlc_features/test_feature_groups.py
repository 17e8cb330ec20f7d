"""Feature groups in a local store: read, served, joined, trained on, built and refused."""

import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import create_engine, text

from ohlc_core.domain.candle import Candle
from ohlc_core.service.settings import load
from ohlc_features.checking.brute_force import computed_features, stored_candles, stored_features
from ohlc_features.command import main
from ohlc_features.define import DefinitionError
from ohlc_features.define.loading import DefinedGroup, load_definitions
from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading import FeatureReader
from ohlc_features.reading.group_reader import NotReadyError
from ohlc_features.row_check import RowCheck, check_rows
from ohlc_features.settings import FeatureStoreSettings
from support.candle_records import MONDAY_MS, candle
from support.feature_db import write_candles

DEFINITIONS = """
from ohlc_features.define import FeatureGroup, ta
group = FeatureGroup("probe", intervals=["1m"])

@group.feature(window=3, unit="ratio", about="change over two candles")
def change(c):
    return ta.returns(c.close, 2)

@group.feature(window=1, unit="price", about="the close")
def close_again(c):
    return c.close[-1]
"""
MINUTE = 60_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "definitions.py"
    path.write_text(DEFINITIONS, "utf-8")
    return path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'features.db'}"


def _candles(count: int = 20, product: str = "BTC/USD") -> list[Candle]:
    return [
        candle(window, product_id=product, close=str(100 + window % 7)) for window in range(count)
    ]


@pytest.fixture
def reader(url: str, file: Path) -> Iterator[FeatureReader]:
    write_candles(url, file, _candles())
    with FeatureReader.open(url) as opened:
        yield opened


def test_features_returns_the_complete_rows_of_a_range(reader: FeatureReader) -> None:
    rows = reader.features("probe", "kraken", "BTC/USD", "1m", start=MONDAY_MS + 5 * MINUTE)

    assert rows.columns[-3:] == ["change", "close_again", "complete"]
    assert rows.height == 15
    assert rows["close_again"].to_list() == [100.0 + window % 7 for window in range(5, 20)]
    assert rows["window_end"][0] == datetime.fromtimestamp((MONDAY_MS + 6 * MINUTE) / 1e3, UTC)


def test_rows_whose_candles_are_missing_are_left_out_unless_asked_for(
    reader: FeatureReader,
) -> None:
    assert reader.features("probe", "kraken", None, "1m").height == 18

    rows = reader.features("probe", "kraken", None, "1m", include_incomplete=True)

    assert rows.height == 20
    assert rows["change"].null_count() == 2
    assert rows["close_again"].null_count() == 0


def test_unknown_group_is_refused_with_those_there_are(reader: FeatureReader) -> None:
    with pytest.raises(StoreRejectedError, match=r"no feature group 'prob'; it has probe_1"):
        reader.features("prob", "kraken", None, "1m")


def test_old_vector_is_not_served(reader: FeatureReader) -> None:
    with pytest.raises(NotReadyError, match="s old, more than"):
        reader.vector("probe", "kraken", "BTC/USD", "1m", max_age=timedelta(seconds=1))


def test_vector_is_the_newest_row(reader: FeatureReader) -> None:
    end = datetime.fromtimestamp((MONDAY_MS + 20 * MINUTE) / 1e3, UTC)
    age = timedelta(days=1) + (datetime.now(UTC) - end)

    vector = reader.vector("probe_1", "kraken", "BTC/USD", "1m", max_age=age)

    assert vector.window_end == end
    assert vector.values == {"change": 105 / 103 - 1, "close_again": 105.0}


def test_vector_of_incomplete_row_is_not_served(url: str, file: Path) -> None:
    now = time.time_ns() // 1_000_000
    window = (now - MONDAY_MS) // MINUTE - 1
    write_candles(url, file, [candle(window)])
    with (
        FeatureReader.open(url) as reader,
        pytest.raises(NotReadyError, match="candles of its windows are missing"),
    ):
        reader.vector("probe", "kraken", "BTC/USD", "1m")


def test_vector_of_a_group_that_no_writer_keeps_up_is_not_served(
    url: str, file: Path, reader: FeatureReader
) -> None:
    write_candles(url, None, [candle(20)])
    age = timedelta(days=36_500)

    with pytest.raises(NotReadyError, match="does not keep this group in step"):
        reader.vector("probe", "kraken", "BTC/USD", "1m", max_age=age)

    write_candles(url, file, [candle(20)])  # whatever a batch holds is evaluated, changed or not
    assert reader.vector("probe", "kraken", "BTC/USD", "1m", max_age=age).values["close_again"]


def test_vector_of_unknown_product_is_not_served(reader: FeatureReader) -> None:
    with pytest.raises(NotReadyError, match="not there yet"):
        reader.vector("probe", "kraken", "ETH/USD", "1m")


def test_labels_get_the_row_that_was_known(reader: FeatureReader) -> None:
    end = MONDAY_MS + 10 * MINUTE
    labels = pl.DataFrame({"product_id": ["BTC/USD"] * 2, "time": [end + 500, end + 2_500]})

    joined = reader.as_of(labels, "kraken", "1m", group="probe", delay=2_000)

    assert joined["close_again"].to_list() == [100.0 + 8 % 7, 100.0 + 9 % 7]


def test_training_joins_the_future_return(reader: FeatureReader) -> None:
    frame = reader.training("probe", "kraken", None, "1m", target="return", horizon=2)

    assert frame.height == 16
    closes = [100.0 + window % 7 for window in range(20)]
    assert frame["target"].to_list() == [
        closes[window + 2] / closes[window] - 1 for window in range(2, 18)
    ]


def test_training_takes_a_function_of_the_future(reader: FeatureReader) -> None:
    frame = reader.training(
        "probe", "kraken", None, "1m", target=lambda c: c.close[-1] - c.close[0], horizon=1
    )

    assert frame["target"].to_list()[:3] == [1.0, 1.0, 1.0]


def test_wrong_target_is_refused(reader: FeatureReader) -> None:
    with pytest.raises(ValueError, match="target was 'profit'"):
        reader.training("probe", "kraken", None, "1m", target="profit")


def test_statistics_count_nulls_and_drift(reader: FeatureReader) -> None:
    frame = reader.statistics("probe", "kraken", None, "1m", recent=timedelta(minutes=7))

    change = frame.row(by_predicate=pl.col("feature") == "change", named=True)
    assert (change["count"], change["nulls"]) == (20, 2)
    assert frame["psi"].null_count() == 0


def test_changed_code_under_the_same_version_is_refused(url: str, file: Path) -> None:
    write_candles(url, file, _candles())
    file.write_text(DEFINITIONS.replace("c.close, 2", "c.close, 1"), "utf-8")

    with pytest.raises(DefinitionError, match=r"probe_1: its stored rows are of other code; raise"):
        write_candles(url, file, [])


def test_higher_version_is_another_table(url: str, file: Path) -> None:
    write_candles(url, file, _candles())
    file.write_text(DEFINITIONS.replace('"probe",', '"probe", version=2,'), "utf-8")

    write_candles(url, file, _candles())

    with FeatureReader.open(url) as reader:
        assert [group.table for group in reader.groups()] == ["probe_1", "probe_2"]


def test_other_bytes_than_the_stored_ones_are_refused(url: str, file: Path) -> None:
    write_candles(url, file, _candles())
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE probe_1_latest SET change = change + 1e-15"))
    engine.dispose()

    with pytest.raises(DefinitionError, match="this machine computes"):
        write_candles(url, file, [])


def test_group_with_the_name_of_the_candles_is_refused(url: str, file: Path) -> None:
    file.write_text(DEFINITIONS.replace('"probe"', '"ohlc"'), "utf-8")

    with pytest.raises(DefinitionError, match="give the group another name"):
        write_candles(url, file, [])


def _is_whole(url: str, groups: list[DefinedGroup]) -> bool:
    engine = create_engine(url)
    try:
        expected = computed_features(stored_candles(engine), groups[0].group)
        return stored_features(engine, "probe_1") == expected
    finally:
        engine.dispose()


def test_build_fills_what_was_stored_before(
    url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_candles(url, None, _candles() + _candles(product="ETH/USD"))

    with pytest.raises(SystemExit) as ended:
        main(["build", str(file), "--url", url])

    assert ended.value.code == 0
    assert capsys.readouterr().out == "probe_1: 40 rows written, 0 were there\n"
    assert _is_whole(url, load_definitions(file))


def test_build_again_leaves_rows_alone(
    url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_candles(url, file, _candles())

    with pytest.raises(SystemExit):
        main(["build", str(file), "--url", url])

    assert capsys.readouterr().out == "probe_1: 0 rows written, 20 were there\n"


def test_build_replaces_rows_of_other_code(
    url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_candles(url, file, _candles())
    file.write_text(DEFINITIONS.replace("c.close, 2", "c.close, 1"), "utf-8")
    with pytest.raises(SystemExit) as refused:
        main(["build", str(file), "--url", url])
    assert refused.value.code == 2
    assert "--replace" in capsys.readouterr().err

    with pytest.raises(SystemExit) as ended:
        main(["build", str(file), "--url", url, "--replace"])

    assert ended.value.code == 0
    assert _is_whole(url, load_definitions(file))


def test_command_lists_describes_and_shows_a_group(
    reader: FeatureReader, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["list"], ["describe", "probe"], ["stats", "probe"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--url", url])
        assert ended.value.code == 0
    with pytest.raises(SystemExit):
        main(["candles", "--group", "probe", "--format", "csv", "--url", url])
    shown = capsys.readouterr().out

    assert "probe_1  2 features  1m" in shown
    assert "change over two candles" in shown
    assert "exchange,product_id,candle_interval,window_start,window_end,change" in shown


def test_row_check_finds_changed_missing_and_extra_rows(url: str, file: Path) -> None:
    write_candles(url, file, _candles())
    settings = load(FeatureStoreSettings, feature_store_url=url)
    groups = load_definitions(file)
    assert check_rows(settings, groups) == RowCheck(20, 0, [])

    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "UPDATE probe_1 SET change = change * 1.0000000000000002 WHERE window_end % 420000 = 0",
            "DELETE FROM probe_1 WHERE window_start = (SELECT min(window_start) FROM probe_1)",
            "DELETE FROM ohlc_1 WHERE window_start = (SELECT max(window_start) FROM ohlc_1)",
        ):
            connection.execute(text(statement))
    engine.dispose()
    found = check_rows(settings, groups)

    assert {each.what for each in found.shown} >= {"is missing", "differs"}
    assert found.differences == 20 - found.rows


def test_rows_years_apart_take_no_memory_between_them(url: str, tmp_path: Path) -> None:
    file = tmp_path / "joint.py"
    file.write_text(
        "from ohlc_features.define import FeatureGroup, ta\n"
        "group = FeatureGroup('probe', intervals=['1s'])\n"
        "@group.feature(window=3, btc=('1s', 5, 'BTC/USD'))\n"
        "def joint(c, btc):\n"
        "    return ta.mean(c.close) - ta.mean(btc.close)\n",
        "utf-8",
    )
    years = 6 * 365 * 86_400
    batch = [candle(window, product_id="ETH/USD", interval="1s") for window in range(10)]
    batch += [candle(years + window, interval="1s") for window in range(10)]
    batch += [candle(years + 5, product_id="ETH/USD", interval="1s")]
    tracemalloc.start()
    try:
        write_candles(url, file, batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 100_000_000
    assert _is_whole(url, load_definitions(file))
