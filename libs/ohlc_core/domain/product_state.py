"""What is remembered of one product between checkpoints, besides closed windows and ids."""

from decimal import Decimal

import msgspec

from ohlc_core.domain.coverage import Coverage
from ohlc_core.domain.state import StateError, read_state
from ohlc_core.domain.trade import TIME_LIMIT
from ohlc_core.domain.window import Window

NEVER = -(1 << 62)

#: Of the state that this code writes. It reads every earlier one: see docs/upgrading.md.
STATE_VERSION = 2


class NewerStateError(ValueError):
    """A state was written by a later version of this code; the text says which."""


class _Version(msgspec.Struct):
    """All that can be read of a state of any version."""

    version: int = 1


class IntervalState(msgspec.Struct):
    """One interval's windows that are still open, and where filling of empty ones stands.

    Attributes:
        open: windows by their start, microseconds.
        known_from_us: the interval was configured when the stream had come this far; windows that
            start earlier lack their first trades.
        next_start: the first window that has not closed; None before the first candle. Kept,
            like previous_close, only where empty windows are filled.
        previous_close: the close of the window before next_start.
        flat_revision: the greatest revision of any flat candle so far.
    """

    open: dict[int, Window] = msgspec.field(default_factory=dict)
    known_from_us: int = NEVER
    next_start: int | None = None
    previous_close: Decimal | None = None
    flat_revision: int = 0


class ProductState(msgspec.Struct):
    """The state of one product.

    Attributes:
        version: of the state; 1 was written without it.
        watermark_us: the greatest of event times and explicit watermarks.
        replayed_until_us: where the last replay ended: windows that end by then are closed, too.
        last_trade_us: event time of the last trade in the exchange's order.
        highest_id: the greatest sequential trade id since ids began; -1 before the first.
        ids_began_us: where the exchange's ids began again, with a ``start``.
        id_series: how often they did; a later series stands behind an earlier one.
        removals: of how many removals of unread records the product knows.
        saves: how often this state was saved; differs between an outdated copy and the current one.
        coverage: where trades may be missing.
        noted_gaps: the event time at which each gap, as "first-last" of its ids, was noted.
        intervals: by the interval's text.
    """

    version: int = 1
    watermark_us: int = NEVER
    replayed_until_us: int = NEVER
    last_trade_us: int | None = None
    highest_id: int = -1
    ids_began_us: int = NEVER
    id_series: int = 0
    removals: int = 0
    saves: int = 0
    coverage: Coverage = msgspec.field(default_factory=Coverage)
    noted_gaps: dict[str, int] = msgspec.field(default_factory=dict)
    intervals: dict[str, IntervalState] = msgspec.field(default_factory=dict)

    def note_gap(self, ids: str, memory_us: int) -> bool:
        """Note a gap of the ids "first-last"; return whether it was noted before.

        What was noted more than memory_us of event time ago is forgotten.
        """
        if ids in self.noted_gaps:
            return True
        since_us = self.watermark_us - memory_us
        # In the order of noting, so that the oldest come first.
        for each in tuple(self.noted_gaps):
            if self.noted_gaps[each] >= since_us:
                break
            del self.noted_gaps[each]
        self.noted_gaps[ids] = self.watermark_us
        return False

    def interval(self, text: str) -> IntervalState:
        """Return the state of an interval, beginning it here when it is new."""
        state = self.intervals.get(text)
        if state is None:
            known_from = self.watermark_us + 1 if self.saves else NEVER
            state = self.intervals[text] = IntervalState(known_from_us=known_from)
        return state


_decode = msgspec.json.Decoder(ProductState).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_encode = msgspec.json.Encoder().encode


def read_product_state(value: bytes) -> ProductState:
    """Return the state that was written.

    Raises:
        NewerStateError: this code does not know the state's version.
        StateError: it is no state.
    """
    try:
        state = read_state(_decode_arranged, value, "product")
    except StateError:
        _refuse_newer(read_state(_decode_version, value, "product").version)
        raise
    _refuse_newer(state.version)
    return state


def write_product_state(state: ProductState) -> bytes:
    """Return the bytes of the state."""
    state.version = STATE_VERSION
    return _encode(state)


def _decode_arranged(value: bytes) -> ProductState:
    state = _decode(value)
    state.coverage.arrange()
    times = [state.watermark_us, state.replayed_until_us, state.ids_began_us]
    for interval in state.intervals.values():
        times += interval.open
        times += () if interval.next_start is None else (interval.next_start,)
    if any(each != NEVER and not 0 <= each < TIME_LIMIT for each in times):
        raise ValueError("a time is none")
    return state


def _refuse_newer(version: int) -> None:
    if version > STATE_VERSION:
        raise NewerStateError(
            f"its version is {version}, and this code knows up to {STATE_VERSION}"
        )
