"""The simulator's settings; each is a flag too (``SIMULATOR_PORT`` is ``--port``)."""

import argparse
import math
import os
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from exchange_simulator.formatting import NS
from exchange_simulator.market.products import parse_product
from ohlc_core.service.setting_groups import Duration, ObservabilitySettings, TextList, duration_us
from ohlc_core.version import __version__
from ohlc_exchanges.settings import EXCHANGES_TEXT, ExchangeName

#: More generated history than this takes too long to make and to keep.
MAX_HISTORY_TRADES = 3_000_000

_PREFIX = "simulator_"
# Before it, event times would be negative.
_FIRST_YEAR = 1970


class SimulatorSettings(ObservabilitySettings):
    """exchange-simulator: websocket and REST of an exchange over a generated or recorded market."""

    exchange: ExchangeName = Field("kraken", description=EXCHANGES_TEXT)
    product_ids: TextList = Field(
        (),
        description="comma-separated products, as the exchange names them or as BTC/USD (empty: "
        "its usual ones, or those of the trades file)",
    )
    simulator_host: str = Field("127.0.0.1", description="address to listen on")
    simulator_port: int = Field(
        0, ge=0, le=65535, description="port of websocket, REST and control (0: any free one)"
    )
    simulator_seed: int = Field(
        1, description="integer; the same seed and start time give the same trades and faults"
    )
    simulator_start: str = Field(
        "", description="ISO date or time (UTC) at which the simulated clock starts (empty: now)"
    )
    simulator_speed: str = Field(
        "1",
        pattern=r"^([0-9]+(\.[0-9]+)?|max)$",
        description="simulated seconds per real second; max or 0: as fast as the socket allows",
    )
    simulator_rate: float = Field(
        8,
        gt=0,
        le=20_000,
        description="trades per simulated second over all products, above 0 to 20000",
    )
    simulator_history: Duration = Field(
        "2h", description="generated history before the start, e.g. 3h or 0"
    )
    simulator_quiet_products: TextList = Field(
        ("LTC/USD", "LTC/USDT"), description="products that trade once in a few minutes"
    )
    simulator_trades_file: TextList = Field(
        (),
        description="Kraken REST Trades bodies (or folders of them) to play (empty: generated)",
    )
    simulator_history_trades: int = Field(
        0, ge=0, description="number of played trades that lie before the start"
    )
    simulator_hold: Literal["none", "first", "all"] = Field(
        "none",
        description="what the clock waits for: none, first (a subscription) or all (one of every "
        "product)",
    )
    simulator_faults: str = Field(
        "", description="path of a JSON file of faults (docs/simulator.md), or empty"
    )
    simulator_random_faults: str = Field(
        "",
        pattern=r"^([1-9][0-9]{0,5}/[1-9][0-9]{0,8})?$",
        description="COUNT/TRADES: that many random faults, by the seed, over the first TRADES "
        "live trades, e.g. 20/5000 (empty: none)",
    )
    simulator_control: bool = Field(
        False,
        description="true: serve /control, which changes faults while it runs, to this machine "
        "only; false: do not",
    )

    @field_validator("product_ids", "simulator_quiet_products")
    @classmethod
    def _in_the_models_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse_product(name) for name in names))

    @field_validator("simulator_start")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        if text and datetime.fromisoformat(text).year < _FIRST_YEAR:
            raise ValueError(f"before {_FIRST_YEAR}")
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> "SimulatorSettings":
        if self.simulator_trades_file:
            return self
        if math.isinf(self.speed):
            raise ValueError(
                "SIMULATOR_SPEED was 'max', which needs SIMULATOR_TRADES_FILE; allowed without "
                "it: simulated seconds per second"
            )
        trades = self.simulator_rate * self.history_ns / NS
        if trades > MAX_HISTORY_TRADES:
            raise ValueError(
                f"SIMULATOR_RATE x SIMULATOR_HISTORY was {trades:.0f} trades; allowed: up to "
                f"{MAX_HISTORY_TRADES} (a shorter SIMULATOR_HISTORY, e.g. 1m)"
            )
        return self

    @property
    def speed(self) -> float:
        """Simulated seconds per second; ``inf`` for as fast as the socket takes."""
        return (
            math.inf if self.simulator_speed == "max" else float(self.simulator_speed) or math.inf
        )

    @property
    def history_ns(self) -> int:
        """The generated history's length."""
        return duration_us(self.simulator_history) * 1000

    @property
    def start_ns(self) -> int | None:
        """When the simulated clock starts; None for now."""
        if not self.simulator_start:
            return None
        start = datetime.fromisoformat(self.simulator_start)
        start = start.replace(tzinfo=start.tzinfo or UTC)
        return int(start.timestamp()) * NS


def flags_to_environment(
    arguments: Sequence[str], environment: MutableMapping[str, str] = os.environ
) -> None:
    """Set the environment variables that the command line's flags stand for.

    Exits with code 2 on an unknown flag, 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog="exchange-simulator",
        description="An exchange on this machine: public websocket and REST over a made-up or "
        "recorded market.",
        epilog="Each flag is an environment variable too; a flag wins.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"exchange-simulator {__version__}")
    for flag, (variable, description) in _flags().items():
        parser.add_argument(
            flag, dest=variable, metavar="VALUE", help=f"{description} [{variable}]"
        )
    for variable, value in vars(parser.parse_args(arguments)).items():
        if value is not None:
            environment[variable] = value


def _flags() -> Mapping[str, tuple[str, str]]:
    return {
        "--" + name.removeprefix(_PREFIX).replace("_", "-"): (
            name.upper(),
            (field.description or "").replace("%", "%%"),
        )
        for name, field in SimulatorSettings.model_fields.items()
    }
