"""Which trades were seen lately and when they were, where ids are not dense."""


class RecentTrades:
    """The trades seen lately, where ids are not dense; any id up to its floor is known."""

    _KEPT = 20_000

    def __init__(self) -> None:
        self._floor = -1
        self._times: dict[int, int] = {}

    def start_after(self, trade_id: int) -> None:
        """Take every id up to this one as known."""
        self._floor = max(self._floor, trade_id)

    def is_new(self, trade_id: int) -> bool:
        """Return whether the id was not seen."""
        return trade_id > self._floor and trade_id not in self._times

    def time_us(self, trade_id: int) -> int | None:
        """Return the time of a trade seen lately; None: it is not remembered."""
        return self._times.get(trade_id)

    def add(self, trade_id: int, time_us: int) -> None:
        """Note a trade as seen."""
        self._times[trade_id] = time_us
        if len(self._times) > self._KEPT:
            oldest = next(iter(self._times))
            del self._times[oldest]
            self._floor = max(self._floor, oldest)
