"""Completeness: the spans of event time in which trades of a product may be missing.

A candle is complete unless its window meets such a span. Spans come from three places: a stream
that started with nothing known before it, trade ids that could not be had, and the end of a
replay.
"""

import msgspec

_FOREVER = 1 << 62


class Hole(msgspec.Struct):
    """Event times [from_us, to_us) of which trades may be missing.

    awaits_id is set while the end of a gap is not known: the first trade behind that id ends it.
    """

    from_us: int
    to_us: int = _FOREVER
    awaits_id: str | None = None
    ends_replay: bool = False


class Coverage(msgspec.Struct):
    """All holes of one product that a retained window could still meet."""

    holes: list[Hole] = msgspec.field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether every hole has its final extent."""
        return all(hole.to_us != _FOREVER for hole in self.holes)

    def is_whole(self, start_us: int, end_us: int) -> bool:
        """Tell whether no trade of the window [start_us, end_us) can be missing."""
        return all(hole.to_us <= start_us or end_us <= hole.from_us for hole in self.holes)

    def start(self, from_us: int, known_until_us: int | None) -> None:
        """Note that a stream began at from_us; what came before ended at known_until_us."""
        known_until = -_FOREVER if known_until_us is None else known_until_us
        if from_us > known_until:
            self.holes.append(Hole(known_until, from_us))

    def open_gap(self, last_trade_us: int | None, last_missing_id: str) -> None:
        """Note ids missing since the trade at last_trade_us; `close_gap` tells until when."""
        self.holes.append(
            Hole(-_FOREVER if last_trade_us is None else last_trade_us, awaits_id=last_missing_id)
        )

    def close_gap(self, trade_id: str, timestamp_us: int) -> bool:
        """End the gaps that this trade lies behind. Return whether there was any."""
        ended = False
        for hole in self.holes:
            if hole.awaits_id is not None and _is_behind(trade_id, hole.awaits_id):
                hole.awaits_id = None
                hole.to_us = max(timestamp_us, hole.from_us) + 1
                ended = True
        return ended

    def end_replay(self, end_us: int) -> None:
        """Note that nothing is known from end_us on, because the replay ended there."""
        self.resume_after_replay()
        self.holes.append(Hole(end_us, ends_replay=True))

    def replay_ended_at(self) -> int | None:
        """Return where the replay ended, or None where the stream goes on."""
        return next((hole.from_us for hole in self.holes if hole.ends_replay), None)

    def resume_after_replay(self) -> bool:
        """Take the end of the replay back: the stream goes on. Return whether it had ended."""
        before = len(self.holes)
        self.holes = [hole for hole in self.holes if not hole.ends_replay]
        return len(self.holes) != before

    def forget_before(self, time_us: int) -> None:
        """Drop holes that ended before every window that can still change."""
        if self.holes and any(hole.to_us < time_us for hole in self.holes):
            self.holes = [hole for hole in self.holes if hole.to_us >= time_us]


def _is_behind(trade_id: str, last_missing_id: str) -> bool:
    try:
        return int(trade_id) > int(last_missing_id)
    except ValueError:
        # Ids that are no numbers say nothing about order: the next trade ends the gap.
        return True
