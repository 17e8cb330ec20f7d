"""What happens in a run, drawn from its seed alone: the exchange's faults and the blows."""

import random
from typing import Any, Literal, NamedTuple

import msgspec

from exchange_simulator.faults.model import Order
from exchange_simulator.faults.schedule import KINDS as HARMLESS
from exchange_simulator.faults.schedule import random_orders
from ohlc_exchanges.registry import EXCHANGES, has_dense_ids

PRODUCTS = ("BTC/USD", "ETH/USD", "LTC/USD")  # the last one trades once in a few minutes

#: What a blow does: to a service's process, to the broker, to the network, to the store, to the
#: folder on whose file system a service writes, to a service's clock.
Kind = Literal[
    "kill", "stop", "freeze", "lose_state", "scale",
    "broker_restart", "broker_kill", "broker_freeze",
    "cut_exchange", "cut_broker",
    "store_lock", "store_away", "disk_full", "clock_step",
]  # fmt: skip

_WEIGHTS: dict[Kind, int] = {
    "kill": 8,
    "stop": 4,
    "freeze": 4,
    "lose_state": 2,
    "scale": 2,
    "broker_restart": 1,
    "broker_kill": 1,
    "broker_freeze": 2,
    "cut_exchange": 2,
    "cut_broker": 2,
    "store_lock": 2,
    "store_away": 2,
    "disk_full": 2,
    "clock_step": 3,
}
#: Every kind of blow.
KINDS = tuple(_WEIGHTS)
_TARGETS: dict[Kind, tuple[str, ...]] = {
    "kill": ("producer", "producer", "aggregator", "aggregator", "writer", "writer", "dashboard"),
    "stop": ("producer", "aggregator", "writer", "dashboard"),
    "freeze": ("producer", "aggregator", "writer", "dashboard", "exchange"),
    "disk_full": ("state", "store"),
    "clock_step": ("producer", "aggregator", "writer"),
}


_HARMLESS = (*HARMLESS, "reconnect", "hostile")


class Blow(msgspec.Struct, frozen=True):
    """One hurt to our own side.

    Attributes:
        at_trades: dealt once this many live trades of the market have happened.
        kind: what is done.
        target: to which service, or folder.
        seconds: how long it lasts; for a clock step, by how much the clock moves.
    """

    at_trades: int
    kind: Kind
    target: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        seconds = f" {self.seconds:g}s" if self.seconds else ""
        return f"{self.kind} {self.target}{seconds}".replace("  ", " ")


class Plan(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        seed: of the market, too.
        exchange: whose protocol is spoken.
        guarantee: PROCESSING_GUARANTEE.
        store: ``sqlite`` or ``postgres``.
        trades: how many live trades there are before the run ends.
        faults: of the exchange, each with its moment.
        blows: dealt to our own side.
    """

    seed: int
    exchange: str
    guarantee: str
    store: str
    trades: int
    faults: tuple[Order, ...]
    blows: tuple[Blow, ...]

    def __str__(self) -> str:
        return (
            f"seed {self.seed} {self.exchange} {self.guarantee} {self.store}: "
            f"{len(self.faults)} faults, {len(self.blows)} blows"
        )

    def orders(self) -> list[dict[str, Any]]:
        """Return the faults as the simulator's control takes them."""
        orders: list[dict[str, Any]] = msgspec.to_builtins(self.faults)
        return orders

    def to_json(self) -> bytes:
        """Return it as a file that `from_json` reads."""
        return msgspec.json.format(msgspec.json.encode(self))

    @staticmethod
    def from_json(text: bytes) -> "Plan":
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=Plan)


class Size(NamedTuple):
    """How large a run is: live trades, faults of the exchange, blows."""

    trades: int
    faults: int
    blows: int


def plan_of(seed: int, size: Size, kinds: tuple[Kind, ...], stores: tuple[str, ...]) -> Plan:
    """Draw a run.

    Args:
        seed: the same seed and the same other arguments give the same run.
        size: how much happens.
        kinds: the blows this machine can deal.
        stores: the stores this machine has.
    """
    draw = random.Random(f"chaos:{seed}")
    exchange = EXCHANGES[seed % len(EXCHANGES)]
    guarantee = draw.choice(("at-least-once", "exactly-once"))
    store = draw.choice(stores)
    lossy = ["withhold", "jump"] if has_dense_ids(exchange) else []
    faults = random_orders(seed, size.faults, size.trades, PRODUCTS[:2], [*_HARMLESS, *lossy])
    dealt = [kind for kind in kinds if kind != "store_away" or store == "postgres"]
    weights = [_WEIGHTS[kind] for kind in dealt]
    moments = sorted(draw.randrange(size.trades) for _ in range(size.blows))
    blows = tuple(_blow(draw, moment, draw.choices(dealt, weights)[0]) for moment in moments)
    return Plan(seed, exchange, guarantee, store, size.trades, tuple(faults), blows)


def _blow(draw: random.Random, moment: int, kind: Kind) -> Blow:
    target = draw.choice(_TARGETS.get(kind, ("",)))
    if kind == "clock_step":
        return Blow(moment, kind, target, draw.choice((-3600.0, -7.0, -0.5, 0.5, 7.0, 3600.0)))
    lasting = kind in _LASTING
    return Blow(moment, kind, target, round(draw.uniform(0.2, 6.0), 1) if lasting else 0.0)


_LASTING: tuple[Kind, ...] = (
    "freeze", "broker_freeze", "cut_exchange", "cut_broker", "store_lock", "store_away", "disk_full"
)  # fmt: skip
