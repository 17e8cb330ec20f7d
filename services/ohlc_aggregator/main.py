"""``ohlc-aggregator``: reads settings, makes the topics, runs until stopped."""

import time
from typing import TYPE_CHECKING, NoReturn

from confluent_kafka import KafkaException
from loguru import logger

from ohlc_aggregator.partitions import PartitionWatch
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.domain.product_state import NewerStateError
from ohlc_core.domain.state import StateError as UnreadableStateError
from ohlc_core.errors import FatalError, FencedError
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.kafka.patience import is_passing
from ohlc_core.kafka.run_over import stop_when_run_is_over
from ohlc_core.service.runner import Runtime, run_service

if TYPE_CHECKING:
    from quixstreams import Application

_RETRY_SECONDS = 0.2
_PROBE_BYTES = 65_536


def run(settings: AggregatorSettings, runtime: Runtime) -> None:
    """Aggregate until SIGTERM or SIGINT, which flush and commit what is at hand.

    Raises:
        FatalError: the broker went away for good, or local state cannot be used.
    """
    names = settings.topics
    ensure_topics(settings, names, [names.trades, names.ohlc, names.trades_dlq], runtime.stop)
    stop_when_run_is_over(settings, names, runtime.stop)
    _check_state_dir(settings)
    # Imported here: wrong settings are reported without waiting for quixstreams to load.
    # First of all: this one keeps quiet what a dependency of quixstreams announces.
    from ohlc_aggregator.application import stopping

    # isort: split
    from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout
    from quixstreams.kafka.exceptions import BaseKafkaException, KafkaBrokerUnavailableError
    from quixstreams.state.exceptions import InvalidStoreChangelogOffset, StateError
    from quixstreams.state.rocksdb import RocksDBCorruptedError

    partitions = PartitionWatch(settings, runtime.stop)
    partitions.start()
    app = _build_patiently(settings, runtime)
    if app is None:
        return
    logger.info(
        "aggregating {} into {} of {} as group {} ({})",
        names.trades,
        ", ".join(settings.ohlc_intervals),
        names.ohlc,
        names.aggregator_group,
        settings.processing_guarantee,
    )
    runtime.status.works_on(
        topic=names.trades,
        candles=names.ohlc,
        intervals=list(settings.ohlc_intervals),
        empty_candles=settings.empty_candles,
        grace_ms=settings.grace_ms,
        run_id=settings.run_id,
        broker=settings.kafka_broker_address,
    )
    runtime.status.say("waiting", f"Waiting for records of {names.trades}")
    try:
        with stopping(app, runtime.stop):
            app.run()
    except KafkaBrokerUnavailableError as error:
        raise FatalError(
            f"the broker at {settings.kafka_broker_address} went away: {error}"
        ) from None
    except (BaseKafkaException, CheckpointProducerTimeout, KafkaException) as error:
        partitions.raise_if_changed()
        if "fenced" in str(error).lower():
            raise FencedError(_fenced(settings)) from None
        # An outage that outlasts the group's session ends the checkpoint in hand.
        raise FatalError(
            f"the broker at {settings.kafka_broker_address} broke off ({error}); "
            "started again, it goes on from the last checkpoint"
        ) from None
    except (InvalidStoreChangelogOffset, RocksDBCorruptedError, StateError) as error:
        raise FatalError(_unusable_state(settings, error)) from None
    except NewerStateError as error:
        raise FatalError(
            f"the state in STATE_DIR={settings.state_dir} was written by a later version of the "
            f"aggregator ({error}); run that version (docs/upgrading.md)"
        ) from None
    except UnreadableStateError as error:
        raise FatalError(
            f"the state of {names.aggregator_group} cannot be read ({error}): something else wrote "
            f"to its changelog topic, or to STATE_DIR={settings.state_dir}. Delete that folder; "
            "where that does not help, stop all instances and delete the changelog topic as well: "
            "candles are incomplete from there on, and `make backfill` repairs them"
        ) from None
    except Exception as error:
        # RocksDB has one kind of exception; its text begins so for whatever the disk refuses.
        if "IO error" not in str(error) and "No space left" not in str(error):
            raise
        raise FatalError(
            f"STATE_DIR={settings.state_dir} cannot be written ({error}); make room there, or "
            "give another folder: the state is rebuilt from the changelog topic"
        ) from None
    partitions.raise_if_changed()
    logger.info("stopped; everything read is committed")


def _fenced(settings: AggregatorSettings) -> str:
    return (
        f"another process took this one's place in group {settings.topics.aggregator_group} under "
        f"the name {settings.instance}; each instance needs a KAFKA_GROUP_INSTANCE_ID, or without "
        "one a STATE_DIR, of its own"
    )


def _unusable_state(settings: AggregatorSettings, error: Exception) -> str:
    from quixstreams.state.exceptions import InvalidChangelogOffset, InvalidStoreChangelogOffset

    if isinstance(error, InvalidChangelogOffset | InvalidStoreChangelogOffset):
        return (
            f"the state in STATE_DIR={settings.state_dir} is of a changelog topic that is gone: it "
            "was made again, or the broker lost its data. Delete the folder and start again; "
            "`make backfill` brings the time between (docs/operations.md, Recovery)"
        )
    return (
        f"the state in STATE_DIR={settings.state_dir} cannot be used ({error}); delete the "
        "folder: it is rebuilt from the changelog topic"
    )


def _build_patiently(settings: AggregatorSettings, runtime: Runtime) -> "Application | None":
    """Return the application, or None when asked to stop before it could be built.

    The changelog topic is created here, maybe by several instances at once, and a broker may not
    know a topic yet that another broker, or it itself, has just made. Or it stands still, starts,
    or hands over.
    """
    from quixstreams.models.topics.exceptions import TopicNotFoundError

    from ohlc_aggregator.application import build

    deadline = time.monotonic() + settings.kafka_startup_timeout_seconds
    while not runtime.stop.is_set():
        try:
            return build(settings, runtime)
        except (TopicNotFoundError, KafkaException) as error:
            passes = not isinstance(error, KafkaException) or is_passing(error)
            if not passes or time.monotonic() > deadline:
                raise FatalError(
                    f"the broker at {settings.kafka_broker_address} did not describe the topics "
                    f"({error}); asked again for {settings.kafka_startup_timeout_seconds:g} s at "
                    "most (KAFKA_STARTUP_TIMEOUT_SECONDS)"
                ) from None
            runtime.stop.wait(_RETRY_SECONDS)
    return None


def _check_state_dir(settings: AggregatorSettings) -> None:
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.state_dir / ".writable"
        probe.write_bytes(b"0" * _PROBE_BYTES)  # an empty file fits on a full disk, too
        probe.unlink()
    except OSError as error:
        raise FatalError(
            f"STATE_DIR={settings.state_dir} is not writable ({error.strerror}); "
            "give a folder this process may write to"
        ) from None


def main() -> NoReturn:
    """Run the service; exits the process."""
    run_service("ohlc-aggregator", AggregatorSettings, run)


if __name__ == "__main__":
    main()
