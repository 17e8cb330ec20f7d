"""Contiguity: from what the exchange sends and what its history holds, every trade once, in order.

Pure: no clock, no network. A stream takes what was seen and returns what to append, and knows
what it still misses; fetching, waiting and retrying belong to its caller. `DenseIdStream` is for
ids that count up by one within a product, `SharedIdStream` for ids shared by all products.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.stream_outputs import Begin, Buffered, Missing, Output


class StreamState(Enum):
    """How far a stream is; the values are words for people."""

    NOT_BEGUN = "waiting to begin"
    CATCHING_UP = "catching up"
    BEHIND_GAP = "waiting for missing trades"
    IDS_LOWER = "asking history whether the exchange's ids began again"
    CURRENT = "current"


class TradeStream(ABC):
    """The trades of one product, from a position in the topic or from a moment on.

    Args:
        max_buffered: how many trades may wait behind a gap. Later ones are dropped, and fetched
            from history once the gap is closed.

    Attributes:
        state: how far it is.
        dropped: trades dropped because they were known.
        gaps_opened: gaps that opened.
        gaps_filled: gaps that closed without a gap record.
        ids_unresolved: ids given up in `Gap` outputs.
        restarts: times the exchange's ids began again.
    """

    def __init__(self, max_buffered: int = 100_000) -> None:
        self.state = StreamState.NOT_BEGUN
        self.dropped = 0
        self.gaps_opened = 0
        self.gaps_filled = 0
        self.ids_unresolved = 0
        self.restarts = 0
        self._max_buffered = max_buffered
        self._buffer: dict[int, Buffered] = {}
        self._last: Position | None = None
        self._last_id = 0
        self._from_us = 0

    # --- where it begins -----------------------------------------------------------------

    @abstractmethod
    def resume(self, position: Position, recent: Sequence[Position] = ()) -> None:
        """Go on after the last trade in the topic.

        Args:
            position: that trade.
            recent: the trades that end the topic, where ids are shared: an unseen id among or
                behind theirs is new.
        """

    def resume_begun(self, from_us: int) -> None:
        """Go on with a stream that began at ``from_us`` and has had no trade yet."""
        self.state = StreamState.CATCHING_UP
        self._from_us = from_us

    def begin(self, from_us: int) -> None:
        """Begin at the moment, with nothing known before it."""
        self._from_us = from_us

    def begin_again(self, from_us: int) -> list[Output]:
        """Begin at the moment: what lies before it cannot be retrieved, and has no ids to name."""
        self._last = None
        return self._append_start(from_us)

    # --- what it is -----------------------------------------------------------------------

    @property
    def position(self) -> Position | None:
        """The last trade appended (or given up), None before the first."""
        return self._last

    @property
    def buffered(self) -> int:
        """How many trades wait behind a gap."""
        return len(self._buffer)

    @property
    def is_current(self) -> bool:
        """Whether everything the exchange has sent is appended: no gap, and none suspected."""
        return self.state is StreamState.CURRENT

    @property
    @abstractmethod
    def missing(self) -> Missing | None:
        """What history should be asked for now; None when nothing is known to be missing."""

    # --- what happens ---------------------------------------------------------------------

    def suspect_missing(self) -> None:
        """Trades may have passed unseen: a connection was lost, or a frame was not understood."""
        if self.state is StreamState.CURRENT:
            self.state = StreamState.CATCHING_UP

    @abstractmethod
    def reported_newest(self, trade_id: int) -> None:
        """The exchange said which trade is its newest."""

    @abstractmethod
    def live(self, trades: Sequence[Trade]) -> list[Output]:
        """Take trades of one frame, ascending."""

    @abstractmethod
    def history(self, trades: Sequence[Trade]) -> list[Output]:
        """Take a page of history that was asked for as `missing` said, ascending."""

    @abstractmethod
    def history_ended(self, *, is_newest: bool) -> list[Output]:
        """History has nothing further.

        Args:
            is_newest: the asking began after the present subscription did, so whatever is newer
                than its last page comes live.
        """

    @abstractmethod
    def give_up(self, reach: int = 0) -> list[Output]:
        """History cannot fill the first gap: go on behind it.

        Args:
            reach: history was asked for everything up to this id in vain, so further gaps that
                end before it are given up too.
        """

    @property
    def needs_confirmation(self) -> bool:
        """Whether the gap is so wide that only an answer of history may make it a gap record."""
        return False

    # --- shared steps ---------------------------------------------------------------------

    @property
    def _has_begun(self) -> bool:
        return self.state is not StreamState.NOT_BEGUN

    def _append_start(self, from_us: int) -> list[Output]:
        self.state = StreamState.CATCHING_UP
        self._from_us = from_us
        return [Begin(from_us)]

    def _move_to(self, position: Position) -> None:
        self._last = position
        self._last_id = int(position.trade_id)
        if self._buffer:
            self._buffer = {key: it for key, it in self._buffer.items() if key > self._last_id}
