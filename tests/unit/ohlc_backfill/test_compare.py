from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ohlc_backfill.verification.compare import Comparison, ProductComparer
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.stored import StoredCandles, stored_candles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Trade
from ohlc_features.reading.source import Span
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.store import LocalStore
from ohlc_history.sources.base import SourceError
from ohlc_history.trade_table import table_of
from support.candles import KEY, MINUTE, SECOND, T0, Driver, rules

MINUTES = 30
TRADES = [
    Trade(str(number), Decimal(100 + number % 5), Decimal("0.1"), "buy", T0 + number * 20 * SECOND)
    for number in range(1, MINUTES * 3)
]
END = T0 + MINUTES * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """A store that holds the candles of TRADES."""
    opened = LocalStore.open(f"sqlite:///{tmp_path}/features.db", "ohlc", 1)
    driver = Driver(rules("1m", "5m"))
    candles = driver.start(T0) + driver.trades(*TRADES) + driver.watermark(END, final=True)
    opened.write(candles)
    yield opened
    opened.close()


@pytest.fixture
def stored(tmp_path: Path, store: LocalStore) -> Iterator[StoredCandles]:
    settings = FeatureStoreSettings(
        _env_file=None,  # type: ignore[call-arg]
        feature_store_url=f"sqlite:///{tmp_path}/features.db",
    )
    with stored_candles(settings) as opened:
        yield opened


def compared(
    stored: StoredCandles, trades: list[Trade], from_us: int = T0, to_us: int = END
) -> dict[str, Comparison]:
    intervals = [Interval.parse(text) for text in ("1m", "5m")]
    comparer = ProductComparer(stored, ExpectedRows(KEY, intervals, from_us, to_us))
    inside = [trade for trade in trades if from_us <= trade.timestamp_us < to_us]
    comparer.add(comparer.rows.add(table_of(inside)))
    return {each.interval: each for each in comparer.finish()}


def test_equal_rows_match_in_count_and_checksum(stored: StoredCandles) -> None:
    found = compared(stored, TRADES)
    for interval, count in (("1m", MINUTES), ("5m", MINUTES // 5)):
        verdict = found[interval]
        assert verdict.is_equal
        assert (verdict.expected, verdict.stored, verdict.matching) == (count, count, count)
        assert verdict.expected_checksum == verdict.stored_checksum


def test_a_changed_price_is_a_difference_with_its_size(stored: StoredCandles) -> None:
    changed = [*TRADES]
    index = next(n for n, each in enumerate(TRADES) if each.timestamp_us >= T0 + 7 * MINUTE + 1)
    old = TRADES[index]
    changed[index] = Trade(
        old.trade_id, old.price + Decimal("7.5"), old.quantity, old.side, old.timestamp_us
    )
    verdict = compared(stored, changed)["1m"]
    assert not verdict.is_equal
    assert (verdict.matching, verdict.different) == (MINUTES - 1, 1)
    assert "high" in verdict.largest_difference
    assert verdict.expected_checksum != verdict.stored_checksum
    assert {each.window_start for each in verdict.examples} == {(T0 + 7 * MINUTE) // 1_000}


def test_rows_without_trades_are_extra_and_trades_without_rows_missing(
    stored: StoredCandles,
) -> None:
    without = [each for each in TRADES if not 0 <= each.timestamp_us - T0 - 3 * MINUTE < MINUTE]
    assert compared(stored, without)["1m"].extra == 1
    after = Trade("1000", Decimal(1), Decimal(1), "buy", END + SECOND)
    verdict = compared(stored, [*TRADES, after], to_us=END + MINUTE)["1m"]
    assert (verdict.missing, verdict.extra, verdict.different) == (1, 0, 0)


def test_windows_that_the_period_cuts_are_not_judged(stored: StoredCandles) -> None:
    found = compared(stored, TRADES, T0 + 90 * SECOND, T0 + 11 * MINUTE + 1)
    assert found["1m"].is_equal
    assert found["1m"].expected == 9
    assert found["5m"].is_equal
    assert found["5m"].expected == 1


def test_a_lost_trade_is_a_gap_whose_windows_are_not_judged(stored: StoredCandles) -> None:
    rows = ExpectedRows(KEY, [Interval.parse("1m")], T0, END)
    comparer = ProductComparer(stored, rows)
    comparer.add(rows.add(table_of(TRADES[:10])))
    rows.gap()
    comparer.add(rows.add(table_of(TRADES[20:])))
    (verdict,) = comparer.finish()
    assert verdict.is_equal
    assert 0 < verdict.expected < MINUTES


def test_an_empty_store_misses_everything(stored: StoredCandles) -> None:
    rows = ExpectedRows(KEY._replace(product_id="ETH/USD"), [Interval.parse("1m")], T0, END)
    comparer = ProductComparer(stored, rows)
    comparer.add(rows.add(table_of(TRADES)))
    (verdict,) = comparer.finish()
    assert verdict.missing == MINUTES
    assert stored.span(rows.key) is None
    assert stored.span(KEY) == Span(T0 // 1_000, END // 1_000)


def test_a_console_keeps_nothing_to_verify() -> None:
    settings = FeatureStoreSettings(_env_file=None, feature_store="console")  # type: ignore[call-arg]
    with pytest.raises(SourceError, match="FEATURE_STORE was 'console'"), stored_candles(settings):
        pass


def test_a_store_without_tables_says_so(tmp_path: Path) -> None:
    settings = FeatureStoreSettings(
        _env_file=None,  # type: ignore[call-arg]
        feature_store_url=f"sqlite:///{tmp_path}/none.db",
    )
    with (
        pytest.raises(SourceError, match="there is no feature store"),
        stored_candles(settings) as stored,
    ):
        stored.span(KEY)
