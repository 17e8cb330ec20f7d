"""Completeness: the spans of event time in which trades of a product may be missing.

A candle is complete unless its window meets such a span. Spans come from three places: a stream
that started with nothing known before it, trade ids that could not be retrieved, and the end of a
replay.
"""

from bisect import bisect_left, bisect_right

import msgspec

from ohlc_core.domain.ordering import is_number

_FOREVER = 1 << 62
_ANY_ID = ""


class Gap(msgspec.Struct):
    """Event times [from_us, to_us) of which trades may be missing.

    One of no length is a moment: it meets the windows that begin before it and end behind it.
    awaits_id is set while the end of a gap is not known: the first trade behind that id ends it.
    last_trade_us is set with it where the last trade's time lies ahead of event time, so may be
    wrong: the gap begins there if no trade behind it, up to the one that ends it, is earlier.
    """

    from_us: int
    to_us: int = _FOREVER
    awaits_id: str | None = None
    last_trade_us: int | None = None
    ends_replay: bool = False


def _begin(gap: Gap) -> int:
    return gap.from_us


def _end(gap: Gap) -> int:
    return gap.to_us


class Coverage(msgspec.Struct):
    """All gaps of one product that a window could still meet.

    They stand in this order: those with an end, joined where they touch, by time; those that wait
    for a trade behind an id, by that id; the end of a replay. So each question costs no more where
    there are thousands of them.
    """

    #: Called as in states of version 1.
    gaps: list[Gap] = msgspec.field(default_factory=list, name="holes")
    #: How many of them have no end.
    unsettled: int = 0
    #: Whether one of them may have a last_trade_us.
    doubtful: bool = False

    def arrange(self) -> None:
        """Put gaps that were read into their order; earlier versions kept none."""
        gaps, self.gaps, self.unsettled = self.gaps, [], 0
        for gap in gaps:
            if gap.to_us != _FOREVER:
                self._settle(gap.from_us, gap.to_us)
        for gap in gaps:
            if gap.awaits_id is not None:
                self.open_gap(gap.from_us, gap.awaits_id, gap.last_trade_us)
        for gap in gaps:
            if gap.ends_replay:
                self.end_replay(gap.from_us)

    @property
    def is_settled(self) -> bool:
        """Whether every gap has its final extent."""
        return not self.unsettled

    def is_whole(self, start_us: int, end_us: int) -> bool:
        """Return whether no trade of the window [start_us, end_us) can be missing."""
        gaps, settled = self.gaps, len(self.gaps) - self.unsettled
        first = bisect_right(gaps, start_us, 0, settled, key=_end)
        if first < settled and gaps[first].from_us < end_us:
            return False
        return not self.unsettled or end_us <= min(map(_begin, self._first_unsettled()))

    def start(self, from_us: int, known_until_us: int | None) -> tuple[int, int]:
        """Note that a stream began at from_us; what came before ended at known_until_us.

        Every trade from from_us on follows, so open gaps end there, and the window that from_us
        cuts is not whole. Return the span of event time in which windows may have changed.
        """
        ended = self._take_open(len(self.gaps))
        for gap in ended:
            self._settle(gap.from_us, max(from_us, gap.from_us))
        known_until = -_FOREVER if known_until_us is None else known_until_us
        self._settle(min(known_until, from_us), from_us)
        return min([from_us, *map(_begin, ended)]), _FOREVER if ended else from_us

    def add(self, from_us: int, to_us: int) -> None:
        """Note that trades may be missing in [from_us, to_us)."""
        self._settle(from_us, to_us)

    def open_gap(
        self, from_us: int, last_missing_id: str | None, last_trade_us: int | None = None
    ) -> None:
        """Note that trades are missing since from_us; `close_gap` ends it.

        Args:
            from_us: the time of the trade before it, or event time where that is behind.
            last_missing_id: None: whatever trade comes next lies behind the gap.
            last_trade_us: that trade's time where event time is behind it.
        """
        gap = Gap(from_us, awaits_id=last_missing_id or _ANY_ID, last_trade_us=last_trade_us)
        settled, end = len(self.gaps) - self.unsettled, self._open_end()
        at = bisect_left(self.gaps, _awaited(gap), settled, end, key=_awaited)
        # One that began no later and ends no earlier stands for it already, and the reverse.
        if at < end and self.gaps[at].from_us <= gap.from_us:
            return
        covered = at
        while covered > settled and self.gaps[covered - 1].from_us >= gap.from_us:
            covered -= 1
        if at < end and _awaited(self.gaps[at]) == _awaited(gap):
            at += 1
        for each in self.gaps[covered:at]:
            if each.last_trade_us is None or gap.last_trade_us is None:
                gap.last_trade_us = None
            else:
                gap.last_trade_us = min(gap.last_trade_us, each.last_trade_us)
        self.doubtful |= gap.last_trade_us is not None
        self.unsettled += 1 - (at - covered)
        self.gaps[covered:at] = [gap]

    def close_gap(self, trade_id: str, timestamp_us: int) -> int | None:
        """End the gaps this trade lies behind. Return where the first of them began, or None."""
        if not self.unsettled:
            return None
        if self.doubtful:
            self._doubt(timestamp_us)
        settled, end = len(self.gaps) - self.unsettled, self._open_end()
        # Ids that are no numbers say nothing about order: the next trade ends the gap.
        behind = int(trade_id) if is_number(trade_id) else _FOREVER << 64
        ended = self._take_open(bisect_left(self.gaps, behind, settled, end, key=_awaited))
        for gap in ended:
            from_us = gap.from_us if gap.last_trade_us is None else gap.last_trade_us
            # The trade behind the gap may be earlier than the one before it: both their windows.
            self._settle(min(from_us, timestamp_us), max(timestamp_us, from_us) + 1)
        return min((min(gap.from_us, timestamp_us) for gap in ended), default=None)

    def end_replay(self, end_us: int) -> None:
        """Note that nothing is known from end_us on, because the replay ended there."""
        self.resume_after_replay()
        self.gaps.append(Gap(end_us, ends_replay=True))
        self.unsettled += 1

    def replay_ended_at(self) -> int | None:
        """Return where the replay ended, or None where the stream goes on."""
        return self.gaps[-1].from_us if self.gaps and self.gaps[-1].ends_replay else None

    def resume_after_replay(self) -> bool:
        """Take the end of the replay back: the stream goes on. Return whether it had ended."""
        if self.replay_ended_at() is None:
            return False
        self.gaps.pop()
        self.unsettled -= 1
        return True

    def forget_before(self, time_us: int) -> None:
        """Drop gaps that ended before every window that can still change."""
        settled = len(self.gaps) - self.unsettled
        del self.gaps[: bisect_left(self.gaps, time_us, 0, settled, key=_end)]

    def _doubt(self, timestamp_us: int) -> None:
        """Note a trade behind open gaps: the times before them that are later were wrong."""
        self.doubtful = False
        for gap in self.gaps[len(self.gaps) - self.unsettled :]:
            if gap.last_trade_us is not None and timestamp_us < gap.last_trade_us:
                gap.last_trade_us = None
            self.doubtful |= gap.last_trade_us is not None

    def _settle(self, from_us: int, to_us: int) -> None:
        """Add a gap with an end, joined with those it touches."""
        gaps, settled = self.gaps, len(self.gaps) - self.unsettled
        first = bisect_left(gaps, from_us, 0, settled, key=_end)
        last = bisect_right(gaps, to_us, first, settled, key=_begin)
        if first < last:
            from_us = min(from_us, gaps[first].from_us)
            to_us = max(to_us, gaps[last - 1].to_us)
        gaps[first:last] = [Gap(from_us, to_us)]

    def _open_end(self) -> int:
        """Return the position behind the last gap that waits for a trade."""
        return len(self.gaps) - (self.replay_ended_at() is not None)

    def _take_open(self, until: int) -> list[Gap]:
        """Remove and return the gaps up to a position that wait for a trade."""
        settled, until = len(self.gaps) - self.unsettled, min(until, self._open_end())
        taken = self.gaps[settled:until]
        del self.gaps[settled:until]
        self.unsettled -= len(taken)
        return taken

    def _first_unsettled(self) -> list[Gap]:
        """Return the gap that waits for a trade and began first, and the end of the replay."""
        # By the id they wait for they are by their beginning as well: see `open_gap`.
        return [self.gaps[-self.unsettled], self.gaps[-1]]


def _awaited(gap: Gap) -> int:
    """Return the number of the id that the gap waits for; any trade lies behind -1."""
    return int(gap.awaits_id) if gap.awaits_id is not None and is_number(gap.awaits_id) else -1
