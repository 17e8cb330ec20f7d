"""History alone, in containers: `up` with the backfill file fills the store and ends by itself."""

import pytest

from support.compose import ComposeError, Simulator, StartStack
from support.recorded import RECORDED_MARKET, Official, as_official


def test_up_ends_once_every_recorded_candle_is_in_the_store(
    new_stack: StartStack, official: Official
) -> None:
    stack = new_stack(
        "docker-compose.yml",
        "docker-compose.backfill.yml",
        "docker-compose.simulator.yml",
        **RECORDED_MARKET,
        EXCHANGE_REST_URL="http://exchange-simulator:8000",
        OHLC_INTERVALS="1m",
        FROM_DAY="2025-11-10",
        TO_DAY="2025-11-11",
        REST_INTERVAL_SECONDS="0.1",
    )
    stack.up("exchange-simulator")
    simulator = Simulator(stack)
    simulator.advance(14_000)
    simulator.close()

    stack.compose("up", "--no-build", timeout=240)

    assert "backfill 2025-11-10_2025-11-11 is complete" in stack.logs("trade-replayer")
    assert stack.inspect("trade-replayer")["State"]["ExitCode"] == 0
    for service in ("ohlc-aggregator", "feature-writer"):
        assert "backfill 2025-11-10_2025-11-11 is over" in stack.logs(service)
    assert as_official(stack.stored_rows(), official) == official

    # Again, from nothing: the first run's topics and its end are gone.
    again = stack.compose("up", "--no-build", timeout=240)
    assert "an earlier run had replayed it completely" not in again
    assert as_official(stack.stored_rows(), official) == official


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"REPLAY_PATH": "/app/history/nowhere"}, 2, "REPLAY_PATH was '/app/history/nowhere'"),
        ({"REPLAY_PATH": "/app/history/nowhere", "PRODUCT_IDS": "BTC/USD,BTC-USD"}, 2, "twice"),
    ],
)
def test_up_fails_at_once_where_the_backfill_does(
    new_stack: StartStack, settings: dict[str, str], code: int, words: str
) -> None:
    stack = new_stack(
        "docker-compose.yml", "docker-compose.backfill.yml", REPLAY_SOURCE="files", **settings
    )
    with pytest.raises(ComposeError, match="trade-replayer"):
        stack.compose("up", "--no-build", timeout=240)
    assert stack.inspect("trade-replayer")["State"]["ExitCode"] == code
    assert words in stack.logs("trade-replayer")
