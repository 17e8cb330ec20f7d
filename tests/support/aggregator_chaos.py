"""A seeded market of records that hurt, and aggregators that are killed while they read it."""

import random
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from local_stack.brokers import LocalBroker
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import decode_trades_topic, encode, encode_candle, encode_trades
from ohlc_core.messages.records import GapMessage, StartMessage, TradesMessage, WatermarkMessage
from ohlc_core.messages.topics import TopicNames
from support.candles import MINUTE, SECOND, T0, rules
from support.kafka import produce
from support.processes import Processes, Script

INTERVALS = ("1m", "5m")
Keyed = tuple[str, bytes]


class HurtfulMarket:
    """Trades of several products with repeats, disorder, late trades, gaps and quiet spells."""

    def __init__(self, seed: int, products: int) -> None:
        self._rng = random.Random(seed)
        self.keys = [ProductKey("kraken", f"P{number}/USD") for number in range(products)]
        self._clock = dict.fromkeys(self.keys, T0)
        self._next_id = dict.fromkeys(self.keys, 1)
        self._sent: dict[ProductKey, list[Trade]] = defaultdict(list)
        self.records: list[Keyed] = []

    def begin(self) -> list[Keyed]:
        """Return the first records of every product."""
        return self._note([(str(key), encode(StartMessage(*key, T0))) for key in self.keys])

    def end(self) -> list[Keyed]:
        """Return the last records: everything closes."""
        until = max(self._clock.values()) + 20 * MINUTE
        return self._note(
            [(str(key), encode(WatermarkMessage(*key, until, True))) for key in self.keys]
        )

    def some(self) -> list[Keyed]:
        """Return the next few records of a product."""
        rng = self._rng
        key = rng.choice(self.keys)
        records: list[Keyed] = []
        if rng.random() < 0.03:
            missing = self._take_id(key), self._take_id(key)
            records.append((str(key), encode(GapMessage(*key, str(missing[0]), str(missing[1])))))
        trades = [self._trade(key) for _ in range(rng.randrange(1, 12))]
        if rng.random() < 0.2 and self._sent[key]:
            trades += rng.sample(self._sent[key], min(3, len(self._sent[key])))
        if rng.random() < 0.2:
            rng.shuffle(trades)
        if rng.random() < 0.15:
            trades.append(self._trade(key, late_by=rng.randrange(1, 8) * MINUTE))
        self._sent[key] = (self._sent[key] + trades)[-200:]
        records.append((str(key), encode_trades(*key, "websocket", trades)))
        if rng.random() < 0.1:
            self._clock[key] += rng.randrange(1, 4) * MINUTE
            records.append((str(key), encode(WatermarkMessage(*key, self._clock[key]))))
        return self._note(records)

    def _note(self, records: list[Keyed]) -> list[Keyed]:
        self.records += records
        return records

    def _take_id(self, key: ProductKey) -> int:
        self._next_id[key] += 1
        return self._next_id[key] - 1

    def _trade(self, key: ProductKey, late_by: int = 0) -> Trade:
        rng = self._rng
        self._clock[key] += rng.choice((0, 0, 3, SECOND, 7 * SECOND))
        return Trade(
            str(self._take_id(key)),
            Decimal(rng.randrange(1_000, 2_000)) / 100,
            Decimal(rng.randrange(1, 10**9)) / 10**8,
            rng.choice(("buy", "sell")),
            max(T0, self._clock[key] - late_by),
        )


def expected_candles(records: list[Keyed]) -> dict[str, list[bytes]]:
    """Return, by record key, every candle and revision that undisturbed candle rules give."""
    products: dict[str, ProductCandles] = {}
    candles: dict[str, list[Candle]] = defaultdict(list)
    for key, value in records:
        if key not in products:
            products[key] = ProductCandles(
                ProductKey.parse(key), rules(*INTERVALS), MemoryStore(), sequential=True
            )
        message = decode_trades_topic(value)
        product = products[key]
        if isinstance(message, TradesMessage):
            output = product.on_trades(message.trades)
        elif isinstance(message, StartMessage):
            output = product.on_start(message.from_us)
        elif isinstance(message, WatermarkMessage):
            output = product.on_watermark(message.watermark_us, final=message.final)
        else:
            output = product.on_gap(message.first_missing_id, message.last_missing_id)
        candles[key] += output.candles
    return {key: [encode_candle(each) for each in found] for key, found in candles.items()}


class Feed:
    """Produces the market's records from a thread, until asked to end."""

    def __init__(self, broker: LocalBroker, topic: str, market: HurtfulMarket) -> None:
        self._broker = broker
        self._topic = topic
        self._market = market
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> "Feed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Produce the last records and wait until all are acknowledged."""
        self._ended.set()
        self._thread.join(120)
        assert not self._thread.is_alive(), "the feed did not end within 120 s"
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            produce(self._broker.address, self._topic, self._paced())
        except BaseException as error:  # raised by `end`
            self._failure = error

    def _paced(self) -> Iterator[Keyed]:
        yield from self._market.begin()
        while not self._ended.wait(0.005):
            yield from self._market.some()
        yield from self._market.end()


class Herd:
    """Aggregators of one group, each with a state folder and a name of its own."""

    def __init__(
        self,
        broker: LocalBroker,
        names: TopicNames,
        processes: Processes,
        folder: Path,
        guarantee: str,
    ) -> None:
        self._broker = broker
        self._names = names
        self._processes = processes
        self._folder = folder
        self._guarantee = guarantee
        self.running: dict[int, Script] = {}
        self.kills = 0

    def start(self, number: int) -> None:
        """Start member ``number``; it takes its former place in the group."""
        self.running[number] = self._processes(
            "ohlc-aggregator",
            {
                "KAFKA_BROKER_ADDRESS": self._broker.address,
                "RUN_ID": self._names.run_id,
                "OHLC_INTERVALS": ",".join(INTERVALS),
                "EMPTY_CANDLES": "skip",
                "COMMIT_INTERVAL_SECONDS": "0.3",
                "PROCESSING_GUARANTEE": self._guarantee,
                "KAFKA_GROUP_INSTANCE_ID": f"member-{number}",
                "STATE_DIR": str(self._state(number)),
            },
        )

    def kill(self, number: int, *, lose_state: bool = False) -> None:
        """SIGKILL a member, and delete its state folder when asked."""
        self.running.pop(number).kill()
        self.kills += 1
        if lose_state:
            shutil.rmtree(self._state(number), ignore_errors=True)

    def stop(self, number: int) -> None:
        """SIGTERM a member; it must end well."""
        process = self.running.pop(number)
        # Before the interpreter runs our code nobody handles SIGTERM.
        process.wait_for_log("aggregating", 60)
        assert process.stop() == 0, process.log_end(40)

    def revive(self) -> None:
        """Start again those that ended by themselves; they may only when the broker went."""
        for number, process in list(self.running.items()):
            if not process.is_running:
                self.start(number)

    def _state(self, number: int) -> Path:
        return self._folder / f"state-{number}"


def pause_a_moment(rng: random.Random, most: float) -> None:
    """Let the processes work for a random while, so that the next blow falls anywhere."""
    time.sleep(rng.random() * most)
