"""Completeness: the spans of event time in which trades of a product may be missing.

A candle is complete unless its window meets such a span. Spans come from three places: a stream
that started with nothing known before it, trade ids that could not be retrieved, and the end of a
replay.
"""

import msgspec

from ohlc_core.domain.ordering import is_number

_FOREVER = 1 << 62
_ANY_ID = ""


class Gap(msgspec.Struct):
    """Event times [from_us, to_us) of which trades may be missing.

    awaits_id is set while the end of a gap is not known: the first trade behind that id ends it.
    """

    from_us: int
    to_us: int = _FOREVER
    awaits_id: str | None = None
    ends_replay: bool = False


class Coverage(msgspec.Struct):
    """All gaps of one product that a window could still meet."""

    #: Called as in states of version 1.
    gaps: list[Gap] = msgspec.field(default_factory=list, name="holes")

    @property
    def is_settled(self) -> bool:
        """Whether every gap has its final extent."""
        return all(gap.to_us != _FOREVER for gap in self.gaps)

    def is_whole(self, start_us: int, end_us: int) -> bool:
        """Return whether no trade of the window [start_us, end_us) can be missing."""
        return all(gap.to_us <= start_us or end_us <= gap.from_us for gap in self.gaps)

    def start(self, from_us: int, known_until_us: int | None) -> int | None:
        """Note that a stream began at from_us; what came before ended at known_until_us.

        Every trade from from_us on follows, so open gaps end there. Return where the first of
        them began, or None.
        """
        known_until = -_FOREVER if known_until_us is None else known_until_us
        ended = [gap for gap in self.gaps if gap.awaits_id is not None]
        for gap in ended:
            gap.awaits_id = None
            gap.to_us = max(from_us, gap.from_us)
        if from_us > known_until:
            self.gaps.append(Gap(known_until, from_us))
        return min((gap.from_us for gap in ended), default=None)

    def add(self, from_us: int, to_us: int) -> None:
        """Note that trades may be missing in [from_us, to_us)."""
        self.gaps.append(Gap(from_us, to_us))

    def open_gap(self, last_trade_us: int, last_missing_id: str | None) -> None:
        """Note that trades are missing since the one at last_trade_us; `close_gap` ends it.

        None as the last missing id: whatever trade comes next lies behind the gap.
        """
        self.gaps.append(Gap(last_trade_us, awaits_id=last_missing_id or _ANY_ID))

    def close_gap(self, trade_id: str, timestamp_us: int) -> int | None:
        """End the gaps this trade lies behind. Return where the first of them began, or None."""
        ended = [
            gap
            for gap in self.gaps
            if gap.awaits_id is not None and _is_behind(trade_id, gap.awaits_id)
        ]
        for gap in ended:
            gap.awaits_id = None
            gap.to_us = max(timestamp_us, gap.from_us) + 1
        return min((gap.from_us for gap in ended), default=None)

    def end_replay(self, end_us: int) -> None:
        """Note that nothing is known from end_us on, because the replay ended there."""
        self.resume_after_replay()
        self.gaps.append(Gap(end_us, ends_replay=True))

    def replay_ended_at(self) -> int | None:
        """Return where the replay ended, or None where the stream goes on."""
        return next((gap.from_us for gap in self.gaps if gap.ends_replay), None)

    def resume_after_replay(self) -> bool:
        """Take the end of the replay back: the stream goes on. Return whether it had ended."""
        before = len(self.gaps)
        self.gaps = [gap for gap in self.gaps if not gap.ends_replay]
        return len(self.gaps) != before

    def forget_before(self, time_us: int) -> None:
        """Drop gaps that ended before every window that can still change."""
        if self.gaps and any(gap.to_us < time_us for gap in self.gaps):
            self.gaps = [gap for gap in self.gaps if gap.to_us >= time_us]


def _is_behind(trade_id: str, last_missing_id: str) -> bool:
    # Ids that are no numbers say nothing about order: the next trade ends the gap.
    if not (is_number(trade_id) and is_number(last_missing_id)):
        return True
    return int(trade_id) > int(last_missing_id)
