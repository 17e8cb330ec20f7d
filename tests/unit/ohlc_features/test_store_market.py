"""A store belongs to one market per exchange; simulated candles never join real ones."""

import sqlite3
from pathlib import Path

import pytest

from ohlc_features.errors import StoreRejectedError
from ohlc_features.sql.engine import open_engine
from ohlc_features.sql.market import SIMULATED, MixedMarketsError, claim_market, markets
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'features.db'}"


def _with_a_row(url: str) -> None:
    database = sqlite3.connect(url.removeprefix("sqlite:///"))
    database.execute("CREATE TABLE ohlc_1_latest (exchange TEXT)")
    database.execute("INSERT INTO ohlc_1_latest VALUES ('kraken')")
    database.commit()
    database.close()


def test_same_market_claims_store_again(url: str) -> None:
    claim_market(url, "kraken", "api.kraken.com")
    claim_market(url, "kraken", "api.kraken.com")
    claim_market(url, "binance", "api.binance.com")
    engine = open_engine(store_url(url))
    assert markets(engine) == {"kraken": "api.kraken.com", "binance": "api.binance.com"}
    engine.dispose()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("kraken", "api.kraken.com"), ("kraken", SIMULATED)),
        (("kraken", SIMULATED), ("kraken", "api.kraken.com")),
        (("kraken", SIMULATED), ("kraken", "")),
        (("kraken", SIMULATED), ("binance", "api.binance.com")),
        (("kraken", "api.kraken.com"), ("binance", SIMULATED)),
        (("kraken", "api.kraken.com"), ("kraken", "localhost")),
    ],
)
def test_other_market_is_refused_with_remedy(
    url: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    claim_market(url, *first)
    with pytest.raises(MixedMarketsError, match="set FEATURE_STORE_URL to another store"):
        claim_market(url, *second)


def test_store_of_files_takes_any_real_market(url: str) -> None:
    claim_market(url, "kraken", "")
    claim_market(url, "kraken", "api.kraken.com")
    claim_market(url, "kraken", "")


def test_demo_is_refused_where_unmarked_rows_are(url: str) -> None:
    _with_a_row(url)
    with pytest.raises(MixedMarketsError, match="holds candles of a real market"):
        claim_market(url, "kraken", SIMULATED)
    claim_market(url, "kraken", "api.kraken.com")


def test_tables_of_an_older_version_are_refused_before_anything_is_recorded(url: str) -> None:
    _with_a_row(url)
    with pytest.raises(StoreRejectedError, match="table ohlc_1_latest exists with other columns"):
        claim_market(url, "kraken", "api.kraken.com", FeatureTables("ohlc", 1))
    engine = open_engine(store_url(url))
    assert markets(engine) == {}
    claim_market(url, "kraken", "api.kraken.com", FeatureTables("ohlc", 2))
    assert markets(engine) == {"kraken": "api.kraken.com"}
    engine.dispose()
