"""The feed: lets simulated time pass and sends what happens to whoever subscribed."""

import asyncio
import time
from collections.abc import Hashable, Iterable
from typing import Literal

from exchange_simulator.connection import Connection
from exchange_simulator.faults.board import FaultBoard, Frame
from exchange_simulator.faults.hostile import DEEP, HUGE
from exchange_simulator.faults.model import (
    Drop,
    Fault,
    Jump,
    Reconnect,
    Silence,
    Status,
)
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Batch, Market
from exchange_simulator.protocols.protocol import Protocol

Hold = Literal["none", "first", "all"]

TICK_SECONDS = 0.01
#: Trades in one frame at most; real frames carry a handful, a fast playback more.
FRAME_TRADES = 100
#: Trades per step of a playback as fast as the socket takes them.
_STEP_TRADES = 500
_HEARTBEAT_SECONDS = 1.0

_NOT_JSON = "<html><body>502 Bad Gateway</body></html>"
_BINARY = bytes(range(256))


class Feed:
    """Everything that happens without a client asking.

    Args:
        hold: what simulated time waits for: nothing, the first acknowledged subscription, or
            one of every product of the market.

    Attributes:
        connections: the open websocket connections.
        connections_ever, rest_calls: how many there were since the start.
    """

    def __init__(
        self,
        market: Market,
        clock: SimulatedClock,
        protocol: Protocol,
        board: FaultBoard,
        hold: Hold,
    ) -> None:
        self.market = market
        self.clock = clock
        self.protocol = protocol
        self.board = board
        self.connections: set[Connection] = set()
        self.connections_ever = 0
        self.rest_calls = 0
        self._hold = hold
        self._next_heartbeat = 0.0
        self._next_ping = 0.0

    @property
    def is_held(self) -> bool:
        """Whether simulated time still waits for subscribers."""
        return self._hold != "none"

    def subscribed(self) -> None:
        """Note that some client has its acknowledgement: perhaps time may start."""
        wanted = self._hold
        if wanted == "none":
            return
        known = set().union(*(each.session.products for each in self.connections))
        if wanted == "first" or known >= set(self.market.listings):
            self.release_hold()

    def release_hold(self) -> None:
        """Let simulated time run, whoever is subscribed."""
        self._hold = "none"
        self.clock.resume()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.tick()
            if self._is_rushing() and any(not each.is_idle for each in self.connections):
                await asyncio.sleep(0)
            elif self._is_rushing():
                await asyncio.sleep(0.0005)
            else:
                await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Deal the faults that are due, let trades happen, send them, keep connections alive."""
        self.deal_due()
        if self._is_rushing():
            self._rush()
        else:
            self._catch_up()
        self._keep_alive()

    # --- time ----------------------------------------------------------------------------

    def _is_rushing(self) -> bool:
        return self.clock.is_driven and self.clock.is_running and not self.market.is_exhausted

    def _rush(self) -> None:
        if any(not each.is_idle for each in self.connections):
            return
        limit = self.board.trades_until_next(self.market.live_trades)
        batches = self.market.release(None, min(_STEP_TRADES, limit or _STEP_TRADES))
        self.clock.jump_to(self.market.last_time_ns)
        self._send(batches)
        if self.market.is_exhausted:
            self.clock.run_at(1.0)

    def _catch_up(self) -> None:
        now = self.clock.now_ns()
        while True:
            limit = self.board.trades_until_next(self.market.live_trades)
            batches = self.market.release(now, limit)
            self._send(batches)
            if limit is None or not batches:
                return
            self.deal_due()

    def deal_due(self) -> None:
        """Arm the faults whose moment has come, and do those that happen at once."""
        self._apply(self.board.due(self.market.live_trades))

    def _apply(self, faults: Iterable[Fault]) -> None:
        """Do the faults that happen at once."""
        for fault in faults:
            match fault:
                case Drop():
                    for connection in self.connections:
                        connection.drop(fault)
                case Silence(seconds=seconds):
                    for connection in self.connections:
                        connection.silence(seconds)
                case Jump(product=product, ids=ids):
                    self.market.jump_ids(product, ids)
                case Status(system=system):
                    self.protocol.system = system
                    self._tell_all(self.protocol.status_changed())
                case Reconnect():
                    self._tell_all(self.protocol.reconnect_asked())

    # --- trades --------------------------------------------------------------------------

    def _send(self, batches: list[Batch]) -> None:
        for batch in batches:
            watchers = [each for each in self.connections if batch.product in each.session.products]
            if watchers:
                log = self.market.log(batch.product)
                frames = self.board.frames(
                    batch.product, log, batch.start, batch.stop, FRAME_TRADES
                )
                self._deliver(frames, watchers)

    def _watchers(self, product: str) -> list[Connection]:
        return [
            each
            for each in self.connections
            if product in each.session.products and not each.is_ending
        ]

    def _deliver(self, frames: list[Frame], watchers: list[Connection]) -> None:
        for frame in frames:
            texts: dict[Hashable, list[str]] = {}
            for connection in watchers:
                variant = self.protocol.variant(connection.session)
                if variant not in texts:
                    texts[variant] = self.protocol.trade_frames(
                        connection.session, frame.product, frame.rows
                    )
                self._deliver_to(connection, frame, texts[variant])

    def _deliver_to(self, connection: Connection, frame: Frame, texts: list[str]) -> None:
        if connection.is_ending:
            return
        if frame.delay:
            connection.wait(frame.delay)
        if frame.garbage is not None:
            connection.send(self._garbage(frame, texts))
        for place, text in enumerate(texts):
            if (drop := self.board.drop("mid_frame")) is not None:
                connection.cut(text)
                return
            is_spoiled = frame.malformed and place == 0
            connection.send(self.protocol.malformed(text) if is_spoiled else text)
            connection.trade_frames += 1
            more = frame.more or place + 1 < len(texts)
            drop = self.board.drop("mid_burst") if more else None
            drop = drop or self.board.drop_after(connection.trade_frames)
            if drop is not None:
                connection.drop(drop)
                return

    def _garbage(self, frame: Frame, texts: list[str]) -> str | bytes:
        if frame.garbage == "binary":
            return _BINARY
        if frame.garbage == "truncated":
            return texts[0][: len(texts[0]) // 2]
        if frame.garbage == "deep":
            return DEEP
        if frame.garbage == "huge":
            return HUGE
        if frame.garbage == "unknown_channel":
            return self.protocol.unknown_channel()
        return _NOT_JSON

    # --- liveness ------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + _HEARTBEAT_SECONDS
        self._ping(now)
        for frame in self.board.held_back():
            self._deliver([frame], self._watchers(frame.product))
        for connection in self.connections:
            if self._is_unsubscribed_too_long(connection, now):
                connection.end(None)
            if not (self.protocol.heartbeat_only_when_quiet and connection.sent_something):
                for text in self.protocol.heartbeat(connection.session):
                    connection.send(text)
            connection.sent_something = False

    def _is_unsubscribed_too_long(self, connection: Connection, now: float) -> bool:
        allowed = self.protocol.subscribe_within_seconds
        return (
            allowed is not None
            and not connection.session.products
            and now - connection.opened_at > allowed
        )

    def _ping(self, now: float) -> None:
        seconds = self.protocol.ping_seconds
        if seconds is None or now < self._next_ping:
            return
        self._next_ping = now + seconds
        for connection in self.connections:
            connection.ping()

    def _tell_all(self, frames: list[str]) -> None:
        for connection in self.connections:
            for frame in frames:
                connection.send(frame)
