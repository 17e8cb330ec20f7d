"""Where features are kept, for the writer and the readers alike."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ohlc_core.plugins import STORES, one_of
from ohlc_core.service.setting_groups import GraceMs
from ohlc_core.service.settings import EnvSettings
from ohlc_features.sql.url import store_url

_BUILT_IN = ("local", "hopsworks", "console")


class FeatureStoreSettings(EnvSettings):
    """The feature store."""

    feature_store: Annotated[str, AfterValidator(one_of(_BUILT_IN, STORES, "store"))] = Field(
        "local",
        description="local (SQLite or Postgres), hopsworks, console (print rows, store none), or "
        "an installed package's",
    )
    feature_store_url: str = Field(
        "sqlite:///data/features.db",
        description="for FEATURE_STORE=local: sqlite:///path, or "
        "postgresql://user:password@host:5432/database with %40 for an @ in the password",
    )
    feature_group_name: str = Field(
        "ohlc",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,47}$",
        description="name of the feature group: up to 48 letters, digits and _, no digit first",
    )
    feature_group_version: int = Field(
        1, ge=1, le=9999, description="version of the feature group, 1 to 9999"
    )
    online_store_url: str = Field(
        "",
        pattern=r"^(rediss?://.+)?$",
        description="Redis for the newest rows beside the store: redis://[user:password@]host:port"
        "[/database] or rediss:// (empty: none)",
    )
    feature_definitions: str = Field(
        "",
        description="path of a Python file that defines features beyond candles (empty: none)",
    )
    feature_store_startup_timeout_seconds: float = Field(
        60, gt=0, description="seconds to wait for the feature store at start, above 0"
    )
    hopsworks_api_key: SecretStr = Field(
        SecretStr(""), description="API key of the project, for FEATURE_STORE=hopsworks"
    )
    hopsworks_project_name: str = Field(
        "", description="name of the project, for FEATURE_STORE=hopsworks"
    )
    hopsworks_host: str = Field(
        "eu-west.cloud.hopsworks.ai",
        min_length=1,
        description="address of the Hopsworks cluster: host or host:port",
    )

    hopsworks_ca_location: str = Field(
        "", description="path of the CA bundle for the cluster's certificate (empty: the system's)"
    )
    hopsworks_timeout_seconds: float = Field(
        30, gt=0, le=120, description="seconds to wait for a response or a delivery, above 0 to 120"
    )
    hopsworks_materialization: Literal["hourly", "daily", "each-batch", "manual"] = Field(
        "hourly",
        description="when rows reach the offline store: hourly, daily, each-batch or manual",
    )

    hopsworks_working_file: str = Field(
        "data/hopsworks.db",
        min_length=1,
        description="path of the SQLite file that holds candles for FEATURE_DEFINITIONS with "
        "FEATURE_STORE=hopsworks",
    )

    @model_validator(mode="after")
    def _store_is_whole(self) -> "FeatureStoreSettings":
        # Checked here and not on the field, whose error would quote a password in the URL.
        if self.feature_store == "local":
            store_url(self.feature_store_url)
        if self.online_store_url and self.feature_store == "console":
            raise ValueError(
                "ONLINE_STORE_URL is set, and FEATURE_STORE=console keeps nothing to put there; "
                "unset it"
            )
        if self.feature_store == "hopsworks":
            for name in ("hopsworks_api_key", "hopsworks_project_name"):
                if not getattr(self, name):
                    raise ValueError(
                        f"{name.upper()} is not set, which FEATURE_STORE=hopsworks needs"
                    )
        return self


class ReadingSettings(EnvSettings):
    """When a candle counts as known to a reader."""

    grace_ms: GraceMs = 1_000
