"""Seeded runs of the trade producer against an exchange that misbehaves and a broker that fails.

`plan_of` draws a run from its seed alone; `FaultRun` plays it through real sockets with a real
broker and real processes, and says whether the topic holds the exchange's trades exactly.
"""

import random
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from ohlc_core.messages.topics import topic_names
from ohlc_exchanges.registry import EXCHANGES, has_dense_ids
from support.kafka import Record, read_topic
from support.producer_process import ForkedProducer
from support.simulator import Simulator, start_simulator
from support.trades_topic import Truth, judge_trades, read_trades
from support.wait import wait_until

_PRODUCTS = ("BTC/USD", "ETH/USD", "LTC/USD")
_START = "2026-01-05T12:00:07"
_FROM = "2026-01-05T12:00:00"
_FROM_NS = 1_767_614_400 * 10**9
_RATE = 150
_LIVE_TRADES = 450
_SETTLE_SECONDS = 120.0

Fault = dict[str, Any]

# fmt: off
_REST_KINDS = (
    "429", "503", "500", "too_many_requests", "unavailable", "garbage", "empty", "slow", "stale",
    "no_last", "bad_last", "exclusive",
)
_GARBAGE = ("not_json", "truncated", "binary", "unknown_channel", "malformed_row")
# fmt: on


class RunPlan(NamedTuple):
    """One run, drawn from its seed.

    Attributes:
        faults: ordered from the simulator, each with the moment (live trades) it is armed.
        kills: moments at which the producer is killed with SIGKILL and started again.
    """

    seed: int
    exchange: str
    guarantee: str
    faults: tuple[Fault, ...]
    kills: tuple[int, ...]

    def __str__(self) -> str:
        names = ",".join(
            ":".join(str(part) for part in (f["fault"], f.get("when"), f.get("kind")) if part)
            for f in (order["fault"] for order in self.faults)
        )
        return f"seed {self.seed} {self.exchange} {self.guarantee} kills={self.kills} {names}"


def plan_of(seed: int, exchange: str = "") -> RunPlan:
    """Draw a run; of the given exchange, else of any."""
    draw = random.Random(f"run:{seed}")
    drawn = draw.choice(EXCHANGES)
    exchange = exchange or drawn
    guarantee = "exactly-once" if draw.random() < 0.25 else "at-least-once"
    moments = sorted(draw.sample(range(20, _LIVE_TRADES - 60), draw.randint(2, 6)))
    faults = tuple({"fault": _fault(draw, exchange), "at_trades": moment} for moment in moments)
    kills = tuple(sorted(draw.sample(range(30, _LIVE_TRADES - 30), draw.choice((0, 0, 1, 1, 2)))))
    return RunPlan(seed, exchange, guarantee, faults, kills)


def hostile_plan(exchange: str) -> RunPlan:
    """Return a run in which the exchange sends what no exchange should."""
    faults: list[Fault] = [
        {"fault": "garbage", "kind": "deep"},
        {"fault": "rest", "kind": "web_page", "calls": 2},
        {"fault": "skip", "trades": 3},
        {"fault": "rest", "kind": "deep", "calls": 2},
        {"fault": "garbage", "kind": "huge"},
        {"fault": "rest", "kind": "redirect", "calls": 1},
        {"fault": "rest", "kind": "bomb", "calls": 1},
        {"fault": "rest", "kind": "drip", "calls": 1, "seconds": 1.0},
        {"fault": "drop", "when": "mid_frame"},
    ]
    moments = range(40, _LIVE_TRADES - 60, 35)
    ordered = zip(faults, moments, strict=False)
    at = tuple({"fault": fault, "at_trades": moment} for fault, moment in ordered)
    return RunPlan(0, exchange, "at-least-once", at, ())


def _fault(draw: random.Random, exchange: str) -> Fault:
    kinds = [_drop, _drop, _rest, _rest, _repeat, _garbage, _refuse, _delay, _reorder, _skip]
    if has_dense_ids(exchange):
        kinds.append(_withhold)
    return draw.choice(kinds)(draw)


def _drop(draw: random.Random) -> Fault:
    when = draw.choice(("now", "before_ack", "after_frames", "mid_frame", "mid_burst"))
    fault: Fault = {"fault": "drop", "when": when, "code": draw.choice((None, None, 1012))}
    if when == "after_frames":
        fault["after_frames"] = draw.randint(1, 40)
    return fault


def _rest(draw: random.Random) -> Fault:
    kind = draw.choice(_REST_KINDS)
    # Bounded tries must be able to outlast a lie that repeats.
    calls = draw.randint(1, 2) if kind in ("stale", "empty") else draw.randint(1, 4)
    return {"fault": "rest", "kind": kind, "calls": calls, "seconds": 0.5}


def _repeat(draw: random.Random) -> Fault:
    return {"fault": "repeat", "frames": draw.randint(1, 10)}


def _garbage(draw: random.Random) -> Fault:
    return {"fault": "garbage", "kind": draw.choice(_GARBAGE), "frames": draw.randint(1, 3)}


def _refuse(draw: random.Random) -> Fault:
    return {"fault": "refuse", "status": draw.choice((429, 503)), "count": draw.randint(1, 3)}


def _delay(draw: random.Random) -> Fault:
    return {"fault": "delay", "seconds": draw.choice((0.05, 0.4)), "frames": draw.randint(1, 3)}


def _reorder(draw: random.Random) -> Fault:
    scope = draw.choice(("frame", "frames"))
    return {"fault": "reorder", "scope": scope, "frames": draw.randint(1, 6)}


def _skip(draw: random.Random) -> Fault:
    return {"fault": "skip", "trades": draw.randint(1, 30)}


def _withhold(draw: random.Random) -> Fault:
    product = draw.choice(_PRODUCTS[:2])
    return {"fault": "skip", "trades": draw.randint(1, 5), "product": product, "withhold": True}


class Outcome(NamedTuple):
    """What became of a run; no problems means that the topic is exact."""

    plan: RunPlan
    problems: tuple[str, ...]
    trades: int
    gaps: int
    seconds: float
    dealt: dict[str, int]


class FaultRun:
    """Plays one plan.

    Args:
        plan: what happens.
        broker_address: a running broker; it may stop and start meanwhile.
        folder: for logs.
    """

    def __init__(self, plan: RunPlan, broker_address: str, folder: Path) -> None:
        self._plan = plan
        self._address = broker_address
        self._folder = folder / f"run-{plan.seed}"
        self._run_id = f"faults-{plan.seed}-{uuid.uuid4().hex[:8]}"
        self._topic = topic_names(self._run_id).trades
        self._producers: list[ForkedProducer] = []

    def play(self) -> Outcome:
        """Play it to its end and judge the topic."""
        began = time.monotonic()
        with start_simulator(
            exchange=self._plan.exchange,
            product_ids=_PRODUCTS,
            simulator_seed=self._plan.seed,
            simulator_start=_START,
            simulator_rate=_RATE,
            simulator_history="1m",
            simulator_hold="all",
            simulator_quiet_products=("LTC/USD",),
        ) as simulator:
            try:
                return self._play(simulator, began)
            finally:
                for producer in self._producers:
                    producer.kill()

    def _play(self, simulator: Simulator, began: float) -> Outcome:
        simulator.control.order(*self._plan.faults)
        self._start(simulator)
        for kill_at in (*self._plan.kills, None):
            self._wait_for_trades(simulator, _LIVE_TRADES if kill_at is None else kill_at)
            if kill_at is not None:
                self._producers[-1].kill()
                self._start(simulator)
        dealt = simulator.control.state()["faults_dealt"]
        simulator.control.pause()
        simulator.control.clear()
        # What the last frames lost shows once the producer connects again.
        simulator.control.order({"fault": "drop", "when": "now"})
        problems = self._settle(simulator)
        code = self._producers[-1].stop()
        if code != 0:
            problems += [f"exit code {code} after SIGTERM\n{self._producers[-1].log()}"]
        records = self._read()
        topic = read_trades(records)
        rows = {product: simulator.control.trades(product) for product in _PRODUCTS}
        problems += judge_trades(topic, Truth.of(self._plan.exchange, rows))
        return Outcome(
            self._plan,
            tuple(problems),
            sum(map(len, topic.ids.values())),
            sum(map(len, topic.gaps.values())),
            time.monotonic() - began,
            dealt,
        )

    def _start(self, simulator: Simulator) -> None:
        env = {
            "EXCHANGE": self._plan.exchange,
            "PRODUCT_IDS": ",".join(_PRODUCTS),
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "KAFKA_BROKER_ADDRESS": self._address,
            "RUN_ID": self._run_id,
            "START_FROM": self._start_from(),
            "OHLC_INTERVALS": "1s,10s",
            "PROCESSING_GUARANTEE": self._plan.guarantee,
            "REST_INTERVAL_SECONDS": "0.02",
            "CONNECT_BACKOFF_SECONDS": "0.1",
            "TAKEOVER_SECONDS": "0.5",
            "LOG_LEVEL": "DEBUG",
        }
        name = f"trade-producer-{len(self._producers)}"
        self._producers.append(ForkedProducer(env, self._folder, name))
        self._producers[-1].start()

    def _start_from(self) -> str:
        """Return ``last`` once every product has begun; a killed producer may have begun none."""
        if not self._producers or not has_dense_ids(self._plan.exchange):
            return _FROM
        try:
            begun = read_trades(read_topic(self._address, self._topic)).starts
        except (KafkaException, AssertionError):  # the broker may be away just now
            return _FROM
        return "last" if begun.keys() >= set(_PRODUCTS) else _FROM

    def _wait_for_trades(self, simulator: Simulator, count: int) -> None:
        def reached() -> bool:
            code = self._producers[-1].exit_code
            assert code is None, f"exit code {code}\n{self._producers[-1].log()}"
            return bool(simulator.control.state()["live_trades"] >= count)

        wait_until(reached, 90.0, f"{count} live trades in {self._plan}")

    def _settle(self, simulator: Simulator) -> list[str]:
        """Wait until the topic reaches the exchange's newest trades."""
        shown = {
            product: _shown(simulator.control.trades(product), _FROM_NS) for product in _PRODUCTS
        }
        # The newest id proves nothing about those before it where ids are shared.
        first = 0 if self._plan.exchange == "bitstamp" else -1
        wanted = {product: ids[first:] for product, ids in shown.items() if ids}

        def behind() -> dict[str, int]:
            try:
                records = read_topic(self._address, self._topic)
            except (KafkaException, AssertionError) as error:  # the broker may be away just now
                return {f"unreadable ({error})": 0}
            topic = read_trades(records)
            if not topic.starts.keys() >= set(_PRODUCTS):
                return dict.fromkeys(set(_PRODUCTS) - topic.starts.keys(), 0)
            late = {p: sorted(set(them) - set(topic.ids.get(p, []))) for p, them in wanted.items()}
            return {product: missing[0] for product, missing in late.items() if missing}

        deadline = time.monotonic() + _SETTLE_SECONDS
        while late := behind():
            if time.monotonic() > deadline:
                return [f"never got to {late}\n{self._producers[-1].log()[-4000:]}"]
            time.sleep(0.25)
        return []

    def _read(self) -> list[Record]:
        """Read the topic, also if the broker is away just now."""

        def read() -> list[Record]:
            try:
                return read_topic(self._address, self._topic)
            except (KafkaException, AssertionError):
                return []

        return wait_until(read, _SETTLE_SECONDS, f"records of {self._topic}")


def _shown(truth: list[dict[str, Any]], from_ns: int) -> list[int]:
    """Return the ids from a time on that the exchange shows."""
    return [t["trade_id"] for t in truth if t["time_ns"] >= from_ns and not t["withheld"]]
