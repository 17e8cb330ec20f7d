"""Removing old rows: what stays is what it was, and can be computed again."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine, text

from ohlc_core.domain.candle import Candle
from ohlc_core.service.settings import load
from ohlc_features.checking.brute_force import computed_features, stored_candles, stored_features
from ohlc_features.command import main
from ohlc_features.define.loading import load_definitions
from ohlc_features.errors import StoreRejectedError
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.pruning import Prunable, Pruning
from support.candle_records import MONDAY_MS, candle
from support.feature_db import stored_rows, write_candles

MINUTE = 60_000
DEFINITIONS = """
from ohlc_features.define import FeatureGroup, ta
group = FeatureGroup("probe", intervals=["1m"])

@group.feature(window=3)
def change(c):
    return ta.returns(c.close, 2)

@group.feature(window=1, eth=("1m", 10, "ETH/USD"))
def spread(c, eth):
    return c.close[-1] - ta.mean(eth.close)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "definitions.py"
    path.write_text(DEFINITIONS, "utf-8")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features.db"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def candles(product: str, count: int = 60) -> list[Candle]:
    return [
        candle(window, product_id=product, close=str(100 + window % 7)) for window in range(count)
    ]


def write(path: Path, file: Path | None, *batches: list[Candle]) -> None:
    write_candles(url_of(path), file, *batches)


def prune(path: Path, before_ms: int, *intervals: str) -> list[Prunable]:
    pruning = Pruning(load(FeatureStoreSettings, feature_store_url=url_of(path)))
    try:
        parts = pruning.plan(before_ms, intervals)
        pruning.remove(parts, lambda _gone: None)
    finally:
        pruning.close()
    return parts


def starts(path: Path, table: str, product: str = "BTC/USD") -> list[int]:
    """Return the minutes since Monday at which a product's rows of a table start."""
    engine = create_engine(url_of(path))
    query = f"select window_start from {table} where product_id = :product order by 1"
    with engine.connect() as connection:
        found = connection.execute(text(query), {"product": product}).scalars().all()
    engine.dispose()
    return [(each - MONDAY_MS) // MINUTE for each in found]


def test_candles_of_old_windows_are_removed_and_the_newest_row_stays(path: Path) -> None:
    write(path, None, candles("BTC/USD"), candles("ETH/USD", 20))
    before = stored_rows(path)

    prune(path, MONDAY_MS + 30 * MINUTE)

    assert starts(path, "ohlc_1") == list(range(30, 60))
    assert starts(path, "ohlc_1", "ETH/USD") == [19]
    after = stored_rows(path)
    assert after.latest == before.latest
    assert after.history == [row for row in before.history if row in after.history]


def test_rows_that_were_replaced_go_with_their_windows(path: Path) -> None:
    revised = [replace(each, revision=1) for each in candles("BTC/USD")]
    write(path, None, candles("BTC/USD"), revised)

    prune(path, MONDAY_MS + 30 * MINUTE)

    assert starts(path, "ohlc_1_replaced") == list(range(30, 60))


def test_candles_stay_that_a_feature_row_was_computed_from(path: Path, file: Path) -> None:
    write(path, file, candles("BTC/USD"), candles("ETH/USD"))

    prune(path, MONDAY_MS + 30 * MINUTE)

    assert starts(path, "probe_1") == list(range(30, 60))
    assert starts(path, "ohlc_1") == list(range(27, 60))
    assert starts(path, "ohlc_1", "ETH/USD") == list(range(20, 60))
    group = load_definitions(file)[0].group
    engine = create_engine(url_of(path))
    computed = computed_features(stored_candles(engine), group)
    stored = stored_features(engine, "probe_1")
    engine.dispose()
    assert len(stored) == 60
    assert {key: computed[key] for key in stored} == stored


def test_writer_goes_on_after_pruning(path: Path, file: Path) -> None:
    write(path, file, candles("BTC/USD"), candles("ETH/USD", 12))
    prune(path, MONDAY_MS + 1_000 * MINUTE)

    write(path, file, [candle(60, close="99")])

    assert starts(path, "probe_1")[-2:] == [59, 60]


def test_other_intervals_are_left_alone(path: Path) -> None:
    hours = [candle(window, interval="1h") for window in range(3)]
    write(path, None, candles("BTC/USD"), hours)

    parts = prune(path, MONDAY_MS + 1_000 * MINUTE, "1h")

    assert sum(each.rows for each in parts) == 2
    assert len(starts(path, "ohlc_1")) == 61


def test_store_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(StoreRejectedError, match="there is no feature store at"):
        prune(path, MONDAY_MS)
    assert not path.exists()


def test_interval_that_the_store_does_not_have_is_refused(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, None, candles("BTC/USD", 3))
    with pytest.raises(SystemExit) as exit_:
        main(["prune", "--keep", "1m", "--interval", "2m", "--url", url_of(path)])
    assert exit_.value.code == 1
    assert "has no interval '2m'; it has 1m" in capsys.readouterr().err


def test_build_without_a_store_makes_none(path: Path, file: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["build", str(file), "--url", url_of(path)])
    assert exit_.value.code == 1
    assert not path.exists()


def test_command_only_counts_without_yes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, None, candles("BTC/USD"))
    with pytest.raises(SystemExit) as exit_:
        main(["prune", "--keep", "20m", "--url", url_of(path)])
    assert exit_.value.code == 0
    assert "40 rows of windows before" in capsys.readouterr().out
    assert len(starts(path, "ohlc_1")) == 60


def test_command_removes_and_shows_what_is_left(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, None, candles("BTC/USD"))
    with pytest.raises(SystemExit) as exit_:
        main(["prune", "--keep", "20m", "--yes", "--url", url_of(path)])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert "UTC removed" in printed
    assert starts(path, "ohlc_1") == list(range(40, 60))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--keep", "soon"], "--keep was 'soon'"),
        (["--keep", ""], "--keep was ''"),
        (["--before", ""], "--before was ''"),
        (["--keep", "1d", "--interval", ""], "interval was ''"),
        (["--before", "yesterday"], "--before was 'yesterday'"),
        (["--keep", "1d", "--interval", "1x"], "interval was '1x'"),
    ],
)
def test_command_refuses_arguments_that_are_none(
    path: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: str
) -> None:
    write(path, None, candles("BTC/USD", 3))
    with pytest.raises(SystemExit) as exit_:
        main(["prune", *given, "--url", url_of(path)])
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def test_newest_row_of_a_group_stays_where_its_candles_went_on(path: Path, file: Path) -> None:
    write(path, file, candles("BTC/USD"), candles("ETH/USD"))
    write(path, None, [candle(window) for window in range(60, 200)])

    prune(path, MONDAY_MS + 150 * MINUTE)

    assert starts(path, "probe_1") == [59]
    assert starts(path, "ohlc_1") == [*range(56, 60), *range(150, 200)]
    write(path, file, [candle(200)])
    assert starts(path, "probe_1")[-1] == 200


def test_stopped_product_keeps_only_what_its_newest_row_needs(path: Path, file: Path) -> None:
    write(path, file, candles("ETH/USD", 300), candles("BTC/USD", 300), candles("OLD/USD", 40))

    prune(path, MONDAY_MS + 200 * MINUTE)

    assert starts(path, "probe_1", "OLD/USD") == [39]
    assert starts(path, "ohlc_1", "ETH/USD") == [*range(29, 40), *range(190, 300)]


def test_newest_complete_candle_stays_behind_an_incomplete_one(path: Path) -> None:
    write(path, None, candles("BTC/USD", 10), [candle(9, complete=False, revision=1)])

    prune(path, MONDAY_MS + 1_000 * MINUTE)

    assert starts(path, "ohlc_1_latest") == [8]
    assert starts(path, "ohlc_1") == [8, 9]


def test_product_of_an_input_may_have_a_space(path: Path, file: Path) -> None:
    file.write_text(DEFINITIONS.replace("ETH/USD", "ETH USD"))
    write(path, file, candles("BTC/USD"), candles("ETH USD"))

    prune(path, MONDAY_MS + 30 * MINUTE)

    assert starts(path, "ohlc_1", "ETH USD") == list(range(20, 60))


def test_rows_that_are_not_the_stores_own_are_refused(path: Path) -> None:
    write(path, None, candles("BTC/USD", 3))
    engine = create_engine(url_of(path))
    with engine.begin() as connection:
        connection.execute(text("update ohlc_1 set candle_interval = 'weird'"))
    engine.dispose()
    with pytest.raises(StoreRejectedError, match="rows that are not its own: interval was 'weird'"):
        prune(path, MONDAY_MS)


def test_old_rows_that_are_written_meanwhile_go_too(
    path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, file, candles("BTC/USD"), candles("ETH/USD"))
    remove, rounds = Pruning.remove, []

    def remove_beside_a_writer(
        self: Pruning, parts: Iterable[Prunable], progress: Callable[[int], None]
    ) -> int:
        gone = remove(self, parts, progress)
        if not rounds:
            write(path, file, [candle(10, close="777", revision=1)])
        rounds.append(gone)
        return gone

    monkeypatch.setattr(Pruning, "remove", remove_beside_a_writer)
    with pytest.raises(SystemExit):
        main(["prune", "--keep", "30m", "--yes", "--url", url_of(path)])
    assert starts(path, "probe_1") == list(range(30, 60))
    assert starts(path, "ohlc_1") == list(range(27, 60))
