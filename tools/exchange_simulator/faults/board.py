"""The board: which faults are armed, and who meets them. Pure; random choices are seeded."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from exchange_simulator.faults.model import (
    Delay,
    Drop,
    Fault,
    Garbage,
    GarbageKind,
    Order,
    Refuse,
    Reorder,
    Repeat,
    Rest,
    Skip,
)
from exchange_simulator.market.trade_log import Row, TradeLog

_CountedFault = Drop | Refuse | Repeat | Reorder | Delay | Garbage | Rest | Skip
_COUNTERS = ("count", "frames", "calls", "trades")


class Frame(NamedTuple):
    """What to send for some trades of a product.

    Attributes:
        malformed: spoil the first row.
        garbage: nonsense to send before, if any.
        delay: seconds to wait before.
        more: whether trades of the same moment follow in another frame.
    """

    product: str
    rows: tuple[Row, ...]
    malformed: bool = False
    garbage: GarbageKind | None = None
    delay: float = 0.0
    more: bool = False


class _Armed:
    """A fault with what is left of it."""

    def __init__(self, fault: _CountedFault) -> None:
        self.fault = fault
        # A stale page's `trades` says how old the page is; its calls are what is counted.
        name = (
            "calls"
            if isinstance(fault, Rest)
            else next(name for name in _COUNTERS if hasattr(fault, name))
        )
        self.left: int = getattr(fault, name)


class FaultBoard:
    """Faults waiting for their moment, faults armed, and how many were dealt.

    Args:
        seed: of the random choices (how a frame is shuffled).
        orders: faults with their moments, in any order.
    """

    def __init__(self, seed: int, orders: Iterable[Order] = ()) -> None:
        self._rng = random.Random(f"faults:{seed}")
        self._waiting = sorted(orders, key=lambda order: order.at_trades or 0)
        self._armed: list[_Armed] = []
        self._swapped: Frame | None = None
        self.dealt: Counter[str] = Counter()

    # --- moments -------------------------------------------------------------------------

    def order(self, orders: Iterable[Order]) -> None:
        """Add faults with their moments."""
        self._waiting = sorted([*self._waiting, *orders], key=lambda order: order.at_trades or 0)

    def trades_until_next(self, live_trades: int) -> int | None:
        """Return how many more trades may happen before the next fault is due, None: any."""
        if not self._waiting:
            return None
        return max(0, (self._waiting[0].at_trades or 0) - live_trades)

    def due(self, live_trades: int) -> list[Fault]:
        """Take the faults whose moment has come; the countable ones are armed here."""
        found: list[Fault] = []
        while self._waiting and (self._waiting[0].at_trades or 0) <= live_trades:
            fault = self._waiting.pop(0).fault
            if isinstance(fault, _CountedFault) and not (
                isinstance(fault, Drop) and fault.when == "now"
            ):
                self._armed.append(_Armed(fault))
            else:
                self.dealt[_name(fault)] += 1
                found.append(fault)
        return found

    def clear(self) -> None:
        """Forget every fault that is armed or waiting."""
        self._waiting.clear()
        self._armed.clear()

    @property
    def pending(self) -> list[dict[str, object]]:
        """What is armed (with what is left of it) or waiting, for people to read."""
        armed = [{**msgspec.to_builtins(each.fault), "left": each.left} for each in self._armed]
        return armed + [msgspec.to_builtins(order) for order in self._waiting]

    # --- connections ---------------------------------------------------------------------

    def refused_handshake(self) -> int | None:
        """Return the HTTP status to refuse this handshake with, if it is to be refused."""
        for armed in self._of(Refuse):
            assert isinstance(armed.fault, Refuse)
            self._spend(armed)
            return armed.fault.status
        return None

    def drop(self, *whens: Literal["before_ack", "mid_frame", "mid_burst"]) -> Drop | None:
        """Spend and return the armed drop for one of these moments, if there is one."""
        for armed in self._of(Drop):
            if isinstance(armed.fault, Drop) and armed.fault.when in whens:
                self._spend(armed)
                return armed.fault
        return None

    def drop_after(self, frames: int) -> Drop | None:
        """Return the drop of a connection that has sent this many trade frames, if any."""
        for armed in self._of(Drop):
            fault = armed.fault
            if (
                isinstance(fault, Drop)
                and fault.when == "after_frames"
                and frames >= fault.after_frames
            ):
                self._spend(armed)
                return fault
        return None

    def rest(self, path: str, *, is_trades: bool) -> Rest | None:
        """Spend and return the fault this REST call meets, if any."""
        for armed in self._of(Rest):
            fault = armed.fault
            if isinstance(fault, Rest) and (fault.path in path if fault.path else is_trades):
                self._spend(armed)
                return fault
        return None

    # --- trades --------------------------------------------------------------------------

    def frames(self, product: str, log: TradeLog, start: int, stop: int, size: int) -> list[Frame]:
        """Turn trades that happened together into frames of at most ``size`` trades."""
        rows = self._after_skips(product, log, start, stop)
        if len(rows) > 1 and self._has_mid_burst():
            size = min(size, (len(rows) + 1) // 2)
        groups = [tuple(rows[at : at + size]) for at in range(0, len(rows), size)]
        frames: list[Frame] = []
        for place, group in enumerate(groups):
            frames += self._spoiled(Frame(product, group, more=place + 1 < len(groups)))
        return frames

    def held_back(self) -> list[Frame]:
        """Give up the frame that waits to be swapped with its next, if one does."""
        frame, self._swapped = self._swapped, None
        return [] if frame is None else [frame]

    def _after_skips(self, product: str, log: TradeLog, start: int, stop: int) -> list[Row]:
        rows: list[Row] = []
        for index in range(start, stop):
            skip = next(
                (
                    armed
                    for armed in self._armed
                    if isinstance(armed.fault, Skip) and armed.fault.product in ("", product)
                ),
                None,
            )
            if skip is None:
                rows += [log.row(each) for each in range(index, stop)]
                break
            if isinstance(skip.fault, Skip) and skip.fault.withhold:
                log.withheld.add(index)
            self._spend(skip)
        return rows

    def _has_mid_burst(self) -> bool:
        return any(
            isinstance(armed.fault, Drop) and armed.fault.when == "mid_burst"
            for armed in self._armed
        )

    def _spoiled(self, frame: Frame) -> list[Frame]:
        if not self._armed and self._swapped is None:
            return [frame]
        frame = self._shuffled(frame)
        for armed in self._of(Delay):
            assert isinstance(armed.fault, Delay)
            frame = frame._replace(delay=frame.delay + armed.fault.seconds)
            self._spend(armed)
        for armed in self._of(Garbage)[:1]:
            assert isinstance(armed.fault, Garbage)
            kind = armed.fault.kind
            frame = (
                frame._replace(malformed=True)
                if kind == "malformed_row"
                else frame._replace(garbage=kind)
            )
            self._spend(armed)
        frames = [frame]
        for armed in self._of(Repeat)[:1]:
            frames.append(frame._replace(garbage=None, delay=0.0))
            self._spend(armed)
        return self._swap(frames)

    def _shuffled(self, frame: Frame) -> Frame:
        armed = next((each for each in self._of(Reorder) if _scope(each) == "frame"), None)
        if armed is None or len(frame.rows) < 2:
            return frame
        rows = list(frame.rows)
        while tuple(rows) == frame.rows:
            self._rng.shuffle(rows)
        self._spend(armed)
        return frame._replace(rows=tuple(rows))

    def _swap(self, frames: list[Frame]) -> list[Frame]:
        if self._swapped is not None:
            return frames + self.held_back()
        armed = next((each for each in self._of(Reorder) if _scope(each) == "frames"), None)
        if armed is None:
            return frames
        self._spend(armed)
        self._swapped = frames[-1]._replace(more=False)
        return frames[:-1]

    # --- bookkeeping ---------------------------------------------------------------------

    def _of(self, kind: type[_CountedFault]) -> list[_Armed]:
        return [armed for armed in self._armed if isinstance(armed.fault, kind)]

    def _spend(self, armed: _Armed) -> None:
        self.dealt[_name(armed.fault)] += 1
        armed.left -= 1
        if armed.left <= 0:
            self._armed.remove(armed)


def _scope(armed: _Armed) -> str:
    return armed.fault.scope if isinstance(armed.fault, Reorder) else ""


def _name(fault: Fault) -> str:
    return str(type(fault).__struct_config__.tag)
