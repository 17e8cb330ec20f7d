"""The console script ``feature-writer``: candles from the topic into the feature store."""

import time
from functools import partial

from loguru import logger

from feature_writer.dead_letters import DeadLetterTopic
from feature_writer.feature_groups import FeatureWatch, feature_groups
from feature_writer.patient_store import PatientStore
from feature_writer.settings import WriterSettings
from feature_writer.writer import FeatureWriter
from ohlc_core.errors import FatalError, SettingsError
from ohlc_core.kafka.admin import broker_answers, ensure_topics
from ohlc_core.kafka.growth import TopicGrowth
from ohlc_core.kafka.member import GroupMember
from ohlc_core.kafka.run_over import stop_when_run_is_over
from ohlc_core.kafka.static_name import static_name
from ohlc_core.service.runner import Runtime, run_service
from ohlc_features.base import FeatureStore
from ohlc_features.define.group import DefinitionError
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.factory import open_store

_RETRY_SECONDS = 1.0
# Live, the producer appends watermarks where no trades are.
_DATA_SECONDS = 8.0
# A store may take long for a batch: this much more than HANG_SECONDS is no hang yet.
_HANG_SECONDS = 300.0
# One wait for a store that does not answer; it may take several.
_PATIENCE_SECONDS = 5.0


def main() -> None:
    """Run the feature writer until SIGTERM or SIGINT."""
    run_service("feature-writer", WriterSettings, run)


def run(settings: WriterSettings, runtime: Runtime) -> None:
    """Open the store, join the group, and write until asked to stop.

    Raises:
        SettingsError: FEATURE_DEFINITIONS cannot be used.
        FatalError: the store cannot be opened, or refuses a batch for good.
        BrokerUnavailableError: the broker did not answer at start.
    """
    definitions = feature_groups(settings.feature_definitions)
    watch = FeatureWatch(runtime)
    opened = _open_patiently(settings, runtime, definitions, watch)
    if opened is None:
        return
    store = PatientStore(opened, _PATIENCE_SECONDS)
    try:
        if definitions:
            watch.start(definitions)
        watch.note_unmaintained(opened)
        names = settings.topics
        ensure_topics(settings, names, [names.ohlc, names.ohlc_dlq], runtime.stop)
        stop_when_run_is_over(settings, names, runtime.stop)
        runtime.health.expect(
            "poll",
            150,
            ends_after_seconds=max(_HANG_SECONDS, settings.hang_seconds),
            peer_answers=partial(broker_answers, settings),
        )
        runtime.health.expect(
            "reading",
            150,
            ends_after_seconds=settings.hang_seconds,
            peer_answers=partial(broker_answers, settings),
        )
        runtime.health.expect("store", 150)
        runtime.health.expect("broker", 60)
        if not settings.run_id:
            _watch_trades(settings, runtime)
        # A backfill's group is deleted at its end, which a static member would hold up.
        member = settings.kafka_group_instance_id
        if not names.is_backfill:
            member = static_name(settings, names.writer_group)
        consumer = GroupMember(
            settings,
            names.ohlc,
            names.writer_group,
            instance_id=member,
            broker_is_up=lambda: runtime.health.progress("broker"),
        )
        dead_letters = DeadLetterTopic(settings, names.ohlc_dlq)
        logger.info(
            "writing {} to {} as group {}{}",
            names.ohlc,
            settings.feature_store,
            names.writer_group,
            f", member {member}" if member else "",
        )
        runtime.status.works_on(
            topic=names.ohlc,
            store=settings.feature_store,
            group=f"{settings.feature_group_name}_{settings.feature_group_version}",
            run_id=settings.run_id,
            broker=settings.kafka_broker_address,
        )
        writer = FeatureWriter(
            settings,
            consumer,
            store,
            dead_letters,
            health=runtime.health,
            status=runtime.status,
        )
        writer.run(runtime.stop)
    finally:
        store.close()


def _watch_trades(settings: WriterSettings, runtime: Runtime) -> None:
    """Be unhealthy where no trades come: candles of a quiet market come too seldom to show it."""
    runtime.health.expect("data", _DATA_SECONDS, from_first=True)
    grown = partial(runtime.health.progress, "data")
    TopicGrowth(settings, settings.topics.trades, grown, runtime.stop).start()


def _open_patiently(
    settings: WriterSettings,
    runtime: Runtime,
    definitions: list[DefinedGroup],
    watch: FeatureWatch,
) -> FeatureStore | None:
    """Return the open store, or None when asked to stop before it could be opened."""
    deadline = time.monotonic() + settings.feature_store_startup_timeout_seconds
    while not runtime.stop.is_set():
        try:
            return open_store(
                settings,
                origin="backfill" if settings.run_id else "live",
                write_incomplete=settings.write_incomplete,
                definitions=definitions,
                observer=watch.observer(),
            )
        except DefinitionError as error:
            raise SettingsError(f"FEATURE_DEFINITIONS: {error}") from None
        except StoreRejectedError as error:
            raise FatalError(str(error)) from None
        except StoreUnavailableError as error:
            if time.monotonic() > deadline:
                raise FatalError(
                    f"the feature store could not be opened within "
                    f"{settings.feature_store_startup_timeout_seconds:g} s: {error}"
                ) from None
            logger.warning("the feature store cannot be opened yet: {}", error)
            runtime.stop.wait(error.retry_after or _RETRY_SECONDS)
    return None


if __name__ == "__main__":
    main()
