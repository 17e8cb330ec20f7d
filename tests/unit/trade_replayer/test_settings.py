import pytest

from ohlc_backfill.run_id import run_id
from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from trade_replayer.settings import ReplayerSettings


def settings(**values: object) -> ReplayerSettings:
    return load(ReplayerSettings, _env_file=None, **values)


def test_days_are_midnights_in_utc() -> None:
    given = settings(from_day="2023-08-01", to_day="2023-08-02")
    assert given.from_us == 1_690_848_000_000_000
    assert given.to_us == 1_690_934_400_000_000


def test_to_day_may_be_left_out() -> None:
    assert settings(from_day="2023-08-01").to_us is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "FROM_DAY is not set, which REPLAY_SOURCE=rest needs"),
        ({"replay_source": "files"}, "REPLAY_PATH is not set, which REPLAY_SOURCE=files needs"),
        ({"replay_source": "sql"}, "REPLAY_QUERY is not set, which REPLAY_SOURCE=sql needs"),
        ({"replay_source": "ftp"}, "REPLAY_SOURCE was 'ftp'"),
        ({"from_day": "2023-8-x"}, "FROM_DAY was '2023-8-x'"),
        ({"from_day": "1690848000"}, "FROM_DAY was '1690848000'"),
        ({"from_day": "1969-01-01"}, "FROM_DAY was '1969-01-01'"),
        (
            {"from_day": "2023-08-01", "to_day": "2023-08-01"},
            "TO_DAY was 2023-08-01, not after FROM_DAY 2023-08-01",
        ),
        ({"from_day": "2023-08-01", "replay_batch": 0}, "REPLAY_BATCH was '0'"),
    ],
)
def test_wrong_settings_are_named_with_the_remedy(values: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(**values)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_job_has_the_same_name() -> None:
    one = settings(from_day="2023-08-01", product_ids="BTC/USD,ETH/USD")
    other = settings(from_day="2023-08-01", product_ids="ETH/USD,BTC/USD", replay_batch=7)
    assert run_id(one) == run_id(other)
    assert run_id(one).startswith("kraken-20230801tonow-")


@pytest.mark.parametrize(
    "values",
    [
        {"from_day": "2023-08-02"},
        {"to_day": "2023-09-01"},
        {"exchange": "coinbase"},
        {"product_ids": "BTC/USD"},
        {"replay_source": "files", "replay_path": "a.csv"},
        {"replay_source": "sql", "replay_query": "SELECT 1"},
    ],
)
def test_another_job_has_another_name(values: dict[str, object]) -> None:
    base = {"from_day": "2023-08-01"}
    assert run_id(settings(**base)) != run_id(settings(**(base | values)))


def test_a_given_name_stays_and_a_made_one_is_allowed() -> None:
    assert run_id(settings(from_day="2023-08-01", run_id="mine")) == "mine"
    made = run_id(settings(from_day="2023-08-01", to_day="2023-09-01"))
    assert settings(from_day="2023-08-01", run_id=made).run_id == made
