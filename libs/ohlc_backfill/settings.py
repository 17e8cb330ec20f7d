"""What a backfill needs to know: its history, its run, and the store it fills."""

from pathlib import Path

from ohlc_core.service.setting_groups import EmptyCandlesSettings, KafkaSettings, RunSettings
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.settings import HistorySettings


class BackfillSettings(
    HistorySettings, KafkaSettings, RunSettings, EmptyCandlesSettings, FeatureStoreSettings
):
    """Which history becomes the candles of which store."""

    @property
    def absolute_replay_path(self) -> str:
        """REPLAY_PATH from the root, so that its name does not depend on the working folder."""
        return str(Path(self.replay_path).absolute()) if self.replay_path else ""
