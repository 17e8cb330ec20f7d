"""Which trades were seen lately, where ids are not dense."""


class RecentIds:
    """The ids seen lately, where ids are not dense; anything at or before its floor is known."""

    _KEPT = 20_000

    def __init__(self) -> None:
        self._floor = -1
        self._ids: dict[int, None] = {}

    def start_after(self, trade_id: int) -> None:
        """Take every id up to this one as known."""
        self._floor = max(self._floor, trade_id)

    def is_new(self, trade_id: int) -> bool:
        """Return whether the id was not seen."""
        return trade_id > self._floor and trade_id not in self._ids

    def add(self, trade_id: int) -> None:
        """Note an id as seen."""
        self._ids[trade_id] = None
        if len(self._ids) > self._KEPT:
            oldest = next(iter(self._ids))
            del self._ids[oldest]
            self._floor = max(self._floor, oldest)
