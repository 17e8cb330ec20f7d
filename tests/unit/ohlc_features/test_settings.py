"""Wrong feature-store settings are one line with the remedy, and never show a password."""

import pytest

from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.url import shown_url, store_url


def test_default_is_the_local_store_in_the_data_folder() -> None:
    settings = load(FeatureStoreSettings)
    assert (settings.feature_store, settings.feature_store_url) == (
        "local",
        "sqlite:///data/features.db",
    )
    assert (settings.feature_group_name, settings.feature_group_version) == ("ohlc", 1)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgres_means_psycopg(scheme: str) -> None:
    assert store_url(f"{scheme}://u:p@h:5/d").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "features.db", "postgresql://h"],
)
def test_url_of_no_readable_database_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="FEATURE_STORE_URL was") as caught:
        load(FeatureStoreSettings, feature_store_url=url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pa@secret@db.example.com/features",
        "postgresql://user:secret/features",
        "postgresql://user:top:secret@db/features?password=secret@x",
        "mysql://db/features?password=secret",
        "postgresql://db?password=secret",
    ],
)
def test_password_that_is_not_encoded_or_in_the_query_is_never_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="FEATURE_STORE_URL") as caught:
        load(FeatureStoreSettings, feature_store_url=url)
    assert "secret" not in str(caught.value)


def test_encoded_password_is_taken_and_not_shown() -> None:
    url = store_url("postgresql://user:p%40ss%2Fw%3Fd@db.example.com/features?sslmode=require")
    assert url.password == "p@ss/w?d"
    assert shown_url(url) == "postgresql+psycopg://user:***@db.example.com/features"


@pytest.mark.parametrize("missing", ["hopsworks_api_key", "hopsworks_project_name"])
def test_hopsworks_needs_key_and_project(missing: str) -> None:
    given = {"hopsworks_api_key": "k", "hopsworks_project_name": "p", missing: ""}
    with pytest.raises(SettingsError, match=missing.upper()):
        load(FeatureStoreSettings, feature_store="hopsworks", **given)


@pytest.mark.parametrize("name", ["", "1ohlc", "oh-lc", "ohlc; drop table x"])
def test_group_name_is_a_plain_identifier(name: str) -> None:
    with pytest.raises(SettingsError, match="FEATURE_GROUP_NAME"):
        load(FeatureStoreSettings, feature_group_name=name)


@pytest.mark.parametrize("url", ["sqlite://data/typo.db", "sqlite://typo.db/x"])
def test_sqlite_with_two_slashes_names_the_three_it_takes(url: str) -> None:
    with pytest.raises(SettingsError, match="takes three slashes, sqlite:///"):
        load(FeatureStoreSettings, feature_store_url=url)
