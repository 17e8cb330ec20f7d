"""The local store keeps newest revisions and newest windows, whatever is written when."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.sql import sqlite_files
from ohlc_features.sql.reader import LocalSource
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle
from support.feature_db import expected_rows, stored_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "features.db"


@pytest.fixture
def store(path: Path) -> Iterator[LocalStore]:
    opened = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    yield opened
    opened.close()


def test_layout_is_the_contracts(store: LocalStore, path: Path) -> None:
    store.write([candle()])
    with closing(sqlite3.connect(path)) as connection:
        tables = {
            table: [
                (name, kind, key)
                for _, name, kind, _, _, key in connection.execute(f"pragma table_info({table})")
            ]
            for table in ("ohlc_1", "ohlc_1_latest", "ohlc_1_replaced")
        }
    text, integer, double = "TEXT", "BIGINT", "DOUBLE"
    columns = [
        ("exchange", text, 1),
        ("product_id", text, 2),
        ("candle_interval", text, 3),
        ("window_start", integer, 4),
        ("window_end", integer, 0),
        *((name, double, 0) for name in ("open", "high", "low", "close", "volume", "vwap")),
        ("buy_volume", double, 0),
        ("trade_count", "INTEGER", 0),
        ("first_trade_id", text, 0),
        ("last_trade_id", text, 0),
        ("complete", "BOOLEAN", 0),
        ("revision", "INTEGER", 0),
        ("origin", text, 0),
        ("stored_at", integer, 0),
    ]
    assert tables["ohlc_1"] == columns
    without_window = [(n, k, 0 if n == "window_start" else p) for n, k, p in columns]
    assert tables["ohlc_1_latest"] == without_window
    without_key = [(n, k, 0) for n, k, _ in columns]
    assert tables["ohlc_1_replaced"] == [*without_key, ("replaced_at", integer, 0)]


def test_numbers_are_the_doubles_nearest_to_the_exact_ones(store: LocalStore, path: Path) -> None:
    exact = Decimal("0.1234567890123456789012345678")
    store.write([candle(volume=exact)])
    assert stored_rows(path).history[0].volume == float(exact)


def test_writing_again_changes_nothing(store: LocalStore, path: Path) -> None:
    candles = [candle(n) for n in range(5)]
    store.write(candles)
    once = stored_rows(path)
    store.write(candles)
    assert stored_rows(path) == once == expected_rows(candles)


def test_an_older_revision_never_replaces_a_newer_one(store: LocalStore, path: Path) -> None:
    corrected = candle(close="2", revision=1)
    store.write([corrected])
    store.write([candle(close="1")])
    assert stored_rows(path) == expected_rows([corrected])


def test_online_row_never_goes_back_to_an_older_window(store: LocalStore, path: Path) -> None:
    store.write([candle(9), candle(3)])
    store.write([candle(4), candle(3, close="7", revision=1)])
    (latest,) = stored_rows(path).latest
    assert latest.window_start == candle(9).window_start_ms


def test_online_row_takes_a_correction_of_its_own_window(store: LocalStore, path: Path) -> None:
    store.write([candle(9)])
    store.write([candle(9, close="7", revision=1)])
    (latest,) = stored_rows(path).latest
    assert (latest.close, latest.revision) == (7, 1)


def test_an_incomplete_candle_gives_way_to_the_complete_one(store: LocalStore, path: Path) -> None:
    whole = candle(close="2", complete=True)
    store.write([candle(close="1", complete=False)])
    store.write([whole])
    store.write([candle(close="1", complete=False)])
    assert stored_rows(path) == expected_rows([whole])


def test_each_product_and_interval_has_its_own_newest_row(store: LocalStore, path: Path) -> None:
    candles = [
        candle(n, product_id=product, interval=interval)
        for product in ("BTC/USD", "ETH/USD")
        for interval in ("1m", "5m")
        for n in range(3)
    ]
    store.write(candles)
    assert len(stored_rows(path).latest) == 4
    assert stored_rows(path) == expected_rows(candles)


def test_reopening_keeps_what_was_written(store: LocalStore, path: Path) -> None:
    store.write([candle()])
    store.close()
    again = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    again.write([candle(1)])
    again.close()
    assert stored_rows(path) == expected_rows([candle(), candle(1)])


def test_versions_and_groups_do_not_touch_each_other(store: LocalStore, path: Path) -> None:
    other = LocalStore.open(f"sqlite:///{path}", "ohlc", 2)
    other.write([candle()])
    other.close()
    assert stored_rows(path).history == []
    assert len(stored_rows(path, "ohlc_2").history) == 1


def test_reader_sees_both_tables_change_at_once(store: LocalStore, path: Path) -> None:
    store.write([candle(0)])
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        assert reader.execute("select count(*) from ohlc_1").fetchone() == (1,)
        store.write([candle(1)])  # a reader's open transaction does not block the writer
        newest = reader.execute("select window_start from ohlc_1_latest").fetchone()
    assert newest == (candle(0).window_start_ms,)


def test_folder_that_can_not_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreRejectedError, match="cannot be created") as caught:
        LocalStore.open(f"sqlite:///{tmp_path}/file/features.db", "ohlc", 1)
    assert "FEATURE_STORE_URL" in str(caught.value)


def test_path_that_is_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreRejectedError, match="unable to open database file"):
        LocalStore.open(f"sqlite:///{tmp_path}", "ohlc", 1)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, but long enough to be looked at. " * 50)
    with pytest.raises(StoreRejectedError, match="not a database"):
        LocalStore.open(f"sqlite:///{path}", "ohlc", 1)


def test_other_tables_of_the_same_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table ohlc_1 (exchange text)")
    with pytest.raises(StoreRejectedError, match="other columns") as caught:
        LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    assert "FEATURE_GROUP_VERSION" in str(caught.value)


def test_store_locked_by_another_writer_is_unavailable_and_writes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "LOCK_TIMEOUT_SECONDS", 0.1)
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailableError, match="locked"):
            store.write([candle()])
        other.execute("rollback")
    assert stored_rows(path).history == []
    store.write([candle()])
    store.close()
    assert stored_rows(path) == expected_rows([candle()])


def test_incomplete_revision_replaces_and_the_newest_row_is_the_complete_one_before(
    store: LocalStore, path: Path
) -> None:
    store.write([candle(n, close=str(n + 1)) for n in range(3)])
    cut = candle(2, complete=False, revision=1)
    assert store.write([cut]) == 0
    rows = stored_rows(path)
    assert rows == expected_rows([candle(0, close="1"), candle(1, close="2"), candle(2), cut])
    assert [row.window_start for row in rows.latest] == [candle(1).window_start_ms]
    store.write([candle(2, close="8", revision=2)])
    assert stored_rows(path).latest[0].close == 8


def test_incomplete_candle_is_left_out_unless_its_window_is_held_or_asked_for(
    store: LocalStore, path: Path
) -> None:
    assert store.write([candle(0), candle(1, complete=False)]) == 1
    assert stored_rows(path) == expected_rows([candle(0)])
    asked = LocalStore.open(f"sqlite:///{path}", "ohlc", 1, write_incomplete=True)
    assert asked.write([candle(1, complete=False)]) == 0
    asked.close()
    assert len(stored_rows(path).history) == 2
    assert stored_rows(path).latest == expected_rows([candle(0)]).latest


def test_backfill_repairs_whatever_live_wrote_and_live_takes_nothing_back(
    store: LocalStore, path: Path
) -> None:
    store.write([candle(close="1", revision=1)])
    back = LocalStore.open(f"sqlite:///{path}", "ohlc", 1, origin="backfill")
    back.write([candle(close="2")])
    back.close()
    store.write([candle(close="1", revision=1)])
    assert stored_rows(path).history[0].close == 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select origin from ohlc_1").fetchall() == [("backfill",)]


def test_replaced_rows_are_kept_with_the_times_between_which_they_stood(path: Path) -> None:
    now = [1_800_000_000_000]
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1, now_ms=lambda: now[0])
    for close in ("1", "2", "2", "3"):
        now[0] += 1_000
        store.write([candle(close=close)])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        query = "select close, stored_at, replaced_at from ohlc_1_replaced order by stored_at"
        replaced = connection.execute(query).fetchall()
        (last,) = connection.execute("select close, stored_at from ohlc_1").fetchall()
    assert [row[0] for row in replaced] == [1, 2]
    assert [row[2] for row in replaced] == [replaced[1][1], last[1]]
    assert last[0] == 3
    # Not before anyone could read it, and not long after: the second "2" changed nothing.
    assert 0 <= replaced[1][1] - (1_800_000_000_000 + 2_000) < 100


def test_write_that_takes_longer_than_expected_is_stamped_again(path: Path) -> None:
    times = iter([1_000, 9_000, 20_000, 20_001])
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1, now_ms=lambda: next(times))
    store.write([candle(0)])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("ohlc_1", "ohlc_1_latest"):
            ((stored_at,),) = connection.execute(f"select stored_at from {table}").fetchall()
            assert 9_000 <= stored_at <= 9_010


def test_store_of_an_earlier_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("alter table ohlc_1 drop column origin")
    for opening in (
        lambda: LocalStore.open(f"sqlite:///{path}", "ohlc", 1),
        lambda: LocalSource(f"sqlite:///{path}", "ohlc", 1),
    ):
        with pytest.raises(StoreRejectedError, match=r"other columns .origin.*upgrading") as caught:
            opening()
        assert "\n" not in str(caught.value)
