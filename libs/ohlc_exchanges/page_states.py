"""What exchanges' pages of history have in common: rows, limits, and when they are final."""

from collections.abc import Mapping

import msgspec

from ohlc_exchanges.base import PageState

_decoder = msgspec.json.Decoder()


def ascending_state(params: Mapping[str, str], body: bytes, *, limit: str) -> PageState:
    """Return the state of a page that begins at an ascending cursor: later trades come behind it.

    Args:
        params: of the request.
        body: a JSON array of rows, or an object that holds one.
        limit: the parameter that says how many rows were asked for.
    """
    is_full = 0 < int(params.get(limit, "0")) <= _rows(_decoder.decode(body))
    return "full" if is_full else "partial"


def below_id_state(cursor: str, first_id: int | None) -> PageState:
    """Return the state of a page of the trades below an id, newest first.

    It is final when it begins with the very next id below: nothing can come between.
    """
    return "final" if first_id is not None and first_id == int(cursor) - 1 else "volatile"


def _rows(body: object) -> int:
    """Return how many rows an exchange's answer has: a list, or the longest one inside."""
    if isinstance(body, list):
        return len(body)
    if isinstance(body, dict):
        return max((_rows(value) for value in body.values()), default=0)
    return 0
