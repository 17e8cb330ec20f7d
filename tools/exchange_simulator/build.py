"""Puts the parts together: settings in, a server ready to listen out."""

import time
from collections.abc import Callable
from pathlib import Path

from exchange_simulator.faults.board import FaultBoard
from exchange_simulator.faults.model import Order, read_orders
from exchange_simulator.faults.schedule import random_orders
from exchange_simulator.feed import Feed
from exchange_simulator.formatting import NS
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.generated import generate
from exchange_simulator.market.market import Listing, Market
from exchange_simulator.market.played import read_trades_files
from exchange_simulator.market.products import character
from exchange_simulator.protocols.registry import protocol_class
from exchange_simulator.server import SimulatorServer
from exchange_simulator.settings import SimulatorSettings
from ohlc_core.errors import SettingsError

#: A quiet product trades every three minutes on average.
_QUIET_TRADES_PER_SECOND = 1 / 180
#: A clock faster than real time starts this far back, so that no trade lies in the future.
_FAST_LEAD_SECONDS = 24 * 3600
_HOUR_NS = 3600 * NS
_MINUTE_NS = 60 * NS
_FIRST_SHARED_ID = 412_806_117


def build_server(
    settings: SimulatorSettings,
    wall_ns: Callable[[], int] = time.time_ns,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> SimulatorServer:
    """Return the server the settings describe; its history is made here.

    Raises:
        SettingsError: a file cannot be read, or a product is not what the exchange has.
    """
    if settings.simulator_trades_file:
        market, clock = _played(settings, monotonic_ns)
    else:
        market, clock = _generated(settings, wall_ns, monotonic_ns)
    protocol = protocol_class(settings.exchange)(market, clock)
    orders = _scripted(settings) + _random(settings, list(market.listings))
    board = FaultBoard(settings.simulator_seed, orders)
    feed = Feed(market, clock, protocol, board, settings.simulator_hold)
    return SimulatorServer(protocol, feed, board, with_control=settings.simulator_control)


def _generated(
    settings: SimulatorSettings, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]
) -> tuple[Market, SimulatedClock]:
    lead_ns = _FAST_LEAD_SECONDS * NS if settings.speed > 1 else 0
    start_ns = settings.start_ns or wall_ns() - lead_ns
    if start_ns > wall_ns():
        raise SettingsError(
            f"SIMULATOR_START was {settings.simulator_start!r}, which is in the future; allowed: "
            "a past time"
        )
    # The market opened on a full hour or minute, so that its first candle is whole.
    opened_ns = start_ns - settings.history_ns
    grid_ns = next((each for each in (_HOUR_NS, _MINUTE_NS) if settings.history_ns >= each), 1)
    opened_ns -= opened_ns % grid_ns
    names = settings.product_ids or protocol_class(settings.exchange).default_products
    quiet = set(settings.simulator_quiet_products)
    weights = {name: character(name).weight for name in names if name not in quiet}
    listings = []
    for name in names:
        share = weights.get(name, 0) / (sum(weights.values()) or 1)
        rate = settings.simulator_rate * share if share else _QUIET_TRADES_PER_SECOND
        trades = generate(character(name), rate, settings.simulator_seed, opened_ns)
        listings.append(Listing(character(name).product, trades))
    market = _market(settings, listings)
    market.make_history(start_ns)
    if settings.start_ns is None and not lead_ns:
        # Making history took a while, by which the clock would be late for ever.
        start_ns = wall_ns()
        market.make_history(start_ns)
    return market, SimulatedClock(
        start_ns, settings.speed, monotonic_ns, ceiling_ns=wall_ns, paused=_is_held(settings)
    )


def _played(
    settings: SimulatorSettings, monotonic_ns: Callable[[], int]
) -> tuple[Market, SimulatedClock]:
    played = read_trades_files([Path(path) for path in settings.simulator_trades_file])
    if settings.product_ids:
        wanted = set(settings.product_ids)
        found = {each.product.name for each in played}
        if not wanted <= found:
            raise SettingsError(
                f"PRODUCT_IDS was {','.join(settings.product_ids)!r}; allowed, being in "
                f"SIMULATOR_TRADES_FILE: {', '.join(sorted(found))}"
            )
        played = [each for each in played if each.product.name in wanted]
    market = _market(settings, [Listing(each.product, iter(each.rows)) for each in played])
    start_ns = (market.next_time_ns or 0) - 1
    if settings.simulator_history_trades:
        market.make_history(None, settings.simulator_history_trades)
        start_ns = market.last_time_ns
    return market, SimulatedClock(start_ns, settings.speed, monotonic_ns, paused=_is_held(settings))


def _is_held(settings: SimulatorSettings) -> bool:
    # Held from its making: a clock paused later has run on for as long as the rest took to make.
    return settings.simulator_hold != "none"


def _market(settings: SimulatorSettings, listings: list[Listing]) -> Market:
    shares_ids = protocol_class(settings.exchange).shares_ids
    return Market(listings, _FIRST_SHARED_ID if shares_ids else None)


def _random(settings: SimulatorSettings, products: list[str]) -> list[Order]:
    if not settings.simulator_random_faults:
        return []
    count, _, trades = settings.simulator_random_faults.partition("/")
    return random_orders(settings.simulator_seed, int(count), int(trades), products)


def _scripted(settings: SimulatorSettings) -> list[Order]:
    path = settings.simulator_faults
    if not path:
        return []
    try:
        return read_orders(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"SIMULATOR_FAULTS was {path!r} ({error}); allowed: a JSON file of faults"
        ) from None
