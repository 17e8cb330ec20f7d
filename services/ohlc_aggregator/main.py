"""``ohlc-aggregator``: reads settings, makes the topics, runs until stopped."""

from typing import NoReturn

from loguru import logger

from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.kafka.topics import ensure_topics
from ohlc_core.runtime.service import FatalError, Runtime, run_service


def run(settings: AggregatorSettings, runtime: Runtime) -> None:
    """Aggregate until SIGTERM or SIGINT, which flush and commit what is at hand.

    Raises:
        FatalError: the broker went away for good, or local state can not be used.
    """
    names = settings.topics
    ensure_topics(settings, names, [names.trades, names.ohlc, names.trades_dlq], runtime.stop)
    _check_state_dir(settings)
    # Imported here: wrong settings are told without waiting for quixstreams to load.
    from quixstreams.kafka.exceptions import KafkaBrokerUnavailableError
    from quixstreams.state.exceptions import StateError
    from quixstreams.state.rocksdb import RocksDBCorruptedError

    from ohlc_aggregator.application import build, stopping

    app = build(settings, runtime)
    logger.info(
        "aggregating {} into {} of {} as group {} ({})",
        names.trades,
        ", ".join(settings.ohlc_intervals),
        names.ohlc,
        names.aggregator_group,
        settings.processing_guarantee,
    )
    try:
        with stopping(app, runtime.stop):
            app.run()
    except KafkaBrokerUnavailableError as error:
        raise FatalError(
            f"the broker at {settings.kafka_broker_address} went away: {error}"
        ) from None
    except (RocksDBCorruptedError, StateError) as error:
        raise FatalError(
            f"the state in STATE_DIR={settings.state_dir} can not be used ({error}); delete the "
            "folder: it is rebuilt from the changelog topic"
        ) from None
    logger.info("stopped; everything read is committed")


def _check_state_dir(settings: AggregatorSettings) -> None:
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.state_dir / ".writable"
        probe.touch()
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
