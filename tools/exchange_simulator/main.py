"""The ``exchange-simulator`` command."""

import asyncio
import sys

from exchange_simulator.build import build_server
from exchange_simulator.server import Addresses, SimulatorServer
from exchange_simulator.settings import SimulatorSettings, flags_to_environment
from ohlc_core.service.runner import Runtime, run_service

_STOP_POLL_SECONDS = 0.05
_ALLOWED_SILENCE_SECONDS = 5.0


def run(settings: SimulatorSettings, runtime: Runtime) -> None:
    """Serve until asked to stop."""
    asyncio.run(_serve(settings, build_server(settings), runtime))


async def _serve(settings: SimulatorSettings, server: SimulatorServer, runtime: Runtime) -> None:
    async with server.listen(settings.simulator_host, settings.simulator_port) as addresses:
        _announce(settings, addresses)
        runtime.health.expect("market", _ALLOWED_SILENCE_SECONDS)
        runtime.status.say("live", f"Simulating {settings.exchange}")
        while not runtime.stop.is_set():
            server.check()
            runtime.health.progress("market")
            await asyncio.sleep(_STOP_POLL_SECONDS)


def _announce(settings: SimulatorSettings, addresses: Addresses) -> None:
    """Print one line that scripts can read: name, exchange, then name=address pairs."""
    control = f" control={addresses.control}" if addresses.control else ""
    sys.stdout.write(
        f"exchange-simulator {settings.exchange} ws={addresses.websocket} "
        f"rest={addresses.rest}{control}\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Run the service."""
    flags_to_environment(sys.argv[1:])
    del sys.argv[1:]  # the flags are environment variables now; the frame takes no others
    run_service("exchange-simulator", SimulatorSettings, run)


if __name__ == "__main__":
    main()
