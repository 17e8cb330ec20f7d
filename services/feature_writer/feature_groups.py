"""The feature groups the writer keeps in step: their file, their figures, their health."""

import threading
import time
from collections.abc import Callable
from typing import Any

from loguru import logger

from feature_writer import metrics
from ohlc_core.errors import SettingsError
from ohlc_core.service.runner import Runtime
from ohlc_features.base import FeatureGroupStore, FeatureStore
from ohlc_features.define.group import DefinitionError
from ohlc_features.define.loading import DefinedGroup, load_definitions
from ohlc_features.define.observer import Observer

# A thousand products' rows take some hundredths of a second.
_HEALTHY_SECONDS = 20.0
_LOOK_SECONDS = 1.0


def feature_groups(path: str) -> list[DefinedGroup]:
    """Return the groups of the file at FEATURE_DEFINITIONS; none where it is empty.

    Raises:
        SettingsError: the file cannot be used.
    """
    if not path:
        return []
    try:
        return load_definitions(path)
    except DefinitionError as error:
        raise SettingsError(f"FEATURE_DEFINITIONS: {error}") from None


class FeatureWatch:
    """Hears of each evaluation: counts rows, logs a feature's first failure, names one that hangs.

    Args:
        runtime: whose health turns bad while one feature runs for too long.
    """

    def __init__(self, runtime: Runtime, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runtime = runtime
        self._monotonic = monotonic
        self._running = ("", 0.0)
        self._logged: set[str] = set()

    def start(self, groups: list[DefinedGroup]) -> None:
        """Expect evaluations to end, and show the groups at /status."""
        self._runtime.health.expect("features", _HEALTHY_SECONDS)
        self._runtime.status.works_on(feature_groups=[each.group.table for each in groups])
        self._runtime.status.progress_from(self._figures)
        for each in groups:
            metrics.FEATURE_ROWS.labels(each.group.table)
            for name in each.group.features:
                metrics.FEATURE_NULLS.labels(f"{each.group.name}.{name}")
        threading.Thread(target=self._look, name="features", daemon=True).start()

    def note_unmaintained(self, store: FeatureStore) -> None:
        """Warn of stored groups whose rows nobody keeps in step any more, and show them."""
        if not isinstance(store, FeatureGroupStore):
            return
        names = store.unmaintained_groups()
        self._runtime.status.works_on(unmaintained_feature_groups=names)
        if names:
            logger.warning(
                "the store has rows of {}, which FEATURE_DEFINITIONS does not define: they are "
                "not kept in step with the candles from here on; name their file, and run "
                "features build for what is missed",
                ", ".join(names),
            )

    def observer(self) -> Observer:
        """Return what the store calls."""
        return Observer(running=self._run, undefined=self._undefined, rows=self._rows)

    def _run(self, name: str) -> None:
        self._running = (name, self._monotonic())

    def _rows(self, table: str, count: int) -> None:
        metrics.FEATURE_ROWS.labels(table).inc(count)

    def _undefined(self, name: str, count: int, error: str) -> None:
        metrics.FEATURE_NULLS.labels(name).inc(count)
        if error and name not in self._logged:
            self._logged.add(name)
            logger.warning("feature {}: {} rows are null: {}", name, count, error)

    def _look(self) -> None:
        while not self._runtime.stop.wait(_LOOK_SECONDS):
            name, since = self._running
            seconds = self._monotonic() - since
            if not name or seconds < _HEALTHY_SECONDS:
                self._runtime.health.progress("features")
            elif f"hang {name}" not in self._logged:
                self._logged.add(f"hang {name}")
                logger.error("feature {} has been running for {:.0f} s", name, seconds)

    def _figures(self) -> dict[str, Any]:
        name, since = self._running
        if not name:
            return {"evaluating": None}
        return {"evaluating": name, "evaluating_seconds": round(self._monotonic() - since, 1)}
