"""History alone, in containers: `up` with the backfill file fills the store and ends by itself."""

from support.compose import Simulator, StartStack
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

    assert "backfill 2025-11-10_2025-11-11 is complete" in stack.logs("replay-end")
    assert stack.inspect("replay-end")["State"]["ExitCode"] == 0
    assert as_official(stack.rows(), official) == official
