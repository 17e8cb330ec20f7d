"""Settings of a history: which trades, of which period, from where."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from ohlc_core.plugins import SOURCES, one_of
from ohlc_core.service.setting_groups import (
    IntervalSettings,
    ObservabilitySettings,
    RestInterval,
    TextList,
)
from ohlc_exchanges.settings import ProductSettings

_DAY_US = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1)


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
    if day <= _EPOCH_DAY:
        raise ValueError("is not after 1970-01-01")
    return day


Day = Annotated[date | None, BeforeValidator(_day)]


def midnight_us(day: date) -> int:
    """Return the microseconds since the Unix epoch at which the day begins in UTC."""
    return (day - _EPOCH_DAY).days * _DAY_US


_BUILT_IN = ("rest", "files", "sql")


class HistorySettings(ObservabilitySettings, ProductSettings, IntervalSettings):
    """History: which trades, of which days, from where."""

    from_day: Day = Field(None, description="first day, UTC: YYYY-MM-DD")
    to_day: Day = Field(
        None,
        description="day after the last one, UTC: YYYY-MM-DD (empty: now, or a file's last day)",
    )
    replay_source: Annotated[str, AfterValidator(one_of(_BUILT_IN, SOURCES, "source"))] = Field(
        "rest",
        description="rest (the exchange), files (REPLAY_PATH), sql (REPLAY_QUERY), or an installed "
        "package's",
    )
    replay_path: str = Field(
        "", description="a file, a folder or a pattern, for REPLAY_SOURCE=files"
    )
    replay_query: str = Field(
        "", description="a DuckDB query, for REPLAY_SOURCE=sql; trusted: it runs as given"
    )
    replay_database: SecretStr = Field(
        SecretStr(""),
        description="postgresql:// address that runs REPLAY_QUERY, for REPLAY_SOURCE=sql (empty: "
        "DuckDB)",
    )
    replay_allow: TextList = Field(
        (),
        description="what a run may leave out and still end well, comma-separated: rejected "
        "(rows), unreadable (files), empty (products without trades)",
    )
    replay_cache: str = Field(
        "data/rest-pages", description="folder that keeps fetched REST pages (off: none)"
    )
    rest_interval_seconds: RestInterval = None

    @field_validator("replay_allow")
    @classmethod
    def _allowed_is_known(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(allowed) - {"rejected", "unreadable", "empty"}):
            raise ValueError(f"names {', '.join(unknown)}")
        return allowed

    @model_validator(mode="after")
    def _source_is_whole(self) -> "HistorySettings":
        if self.replay_source == "files" and not self.replay_path:
            raise ValueError(
                "REPLAY_PATH is not set, which REPLAY_SOURCE=files needs: a file, folder or glob"
            )
        if self.replay_source == "sql" and not self.replay_query.strip():
            raise ValueError(
                "REPLAY_QUERY is not set, which REPLAY_SOURCE=sql needs, e.g. "
                "SELECT * FROM 'trades/*.parquet'"
            )
        return self

    @model_validator(mode="after")
    def _has_begun(self) -> "HistorySettings":
        today = datetime.now(UTC).date()
        if self.from_day is not None and self.from_day > today:
            raise ValueError(
                f"FROM_DAY was {self.from_day}, which is in the future; allowed: up to today, "
                f"{today} (UTC)"
            )
        return self

    @model_validator(mode="after")
    def _days_are_in_order(self) -> "HistorySettings":
        if self.from_day is not None and self.to_day is not None and self.from_day >= self.to_day:
            raise ValueError(
                f"TO_DAY was {self.to_day}, not after FROM_DAY {self.from_day}; "
                "TO_DAY is exclusive, so one day is FROM_DAY=2023-08-01 TO_DAY=2023-08-02"
            )
        return self

    @property
    def from_us(self) -> int | None:
        """Midnight of FROM_DAY, or None where the source's first trade begins the replay."""
        return None if self.from_day is None else midnight_us(self.from_day)

    @property
    def to_us(self) -> int | None:
        """Midnight of TO_DAY, or None for until now."""
        return None if self.to_day is None else midnight_us(self.to_day)
