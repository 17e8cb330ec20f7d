"""Settings of the replayer."""

from typing import Literal

from pydantic import Field, model_validator

from ohlc_backfill.settings import BackfillSettings


class ReplayerSettings(BackfillSettings):
    """trade-replayer: trades of the past onto the topic of a backfill run."""

    example = "trade-replayer --from-day 2023-08-01 --to-day 2023-09-01 --product-ids BTC/USD"

    replay_batch: int = Field(500, ge=1, le=4_000, description="max trades per record, 1 to 4000")
    replay_workers: int = Field(
        4, ge=1, le=64, description="products replayed in parallel, 1 to 64"
    )
    replay_until: Literal["replayed", "stored", "cleaned"] = Field(
        "replayed",
        description="replayed: end with the last trade; stored: wait until every candle is in the "
        "store and prove it; cleaned: then delete the run's topics too",
    )

    @model_validator(mode="after")
    def _has_a_beginning(self) -> "ReplayerSettings":
        if self.replay_source == "rest" and self.from_day is None:
            raise ValueError("FROM_DAY is not set, which REPLAY_SOURCE=rest needs; e.g. 2023-08-01")
        return self
