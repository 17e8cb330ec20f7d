"""Kraken's REST history: ``/0/public/Trades`` and its nanosecond cursor.

The cursor is inclusive in measurements and exclusive in older documents, ``last`` is sometimes
missing or too short, and many trades may share one stamp. So pages overlap, ids decide what is
new, and where a page begins after the id it should, the cursor steps back before the page is
believed. A time that may have been rounded up to a whole second is settled by the cursor too.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Fetch, MalformedResponseError, Page, Request
from ohlc_exchanges.kraken.timestamps import doubtful_second, settle
from ohlc_exchanges.parsing import by_sequential_id, trade_of

PAGE_LIMIT = 1_000

_NS_PER_US = 1_000
_US_PER_SECOND = 1_000_000
_CURSOR_DIGITS = 19

# A row's time is a rounded float; its true stamp is less than this away.
_ROW_TIME_MARGIN_NS = 2_000

# How far the cursor steps back, one try after the other, when a page begins behind a hole.
_STEPS_BACK_NS = (1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000)

# Made ids: the microsecond, then three digits (or more) of ordinal among equal stamps.
_MADE_ID_FACTOR = 1_000


class _Row(msgspec.Struct, array_like=True, frozen=True):
    price: Decimal
    volume: Decimal
    time: Decimal
    side: Literal["b", "s"]
    order_type: str
    misc: str
    trade_id: int | None = None  # absent in recordings of 2018 to 2021


class _Body(msgspec.Struct):
    result: dict[str, msgspec.Raw]


class _Answer(NamedTuple):
    rows: list[_Row]
    last_ns: int | None


_body = msgspec.json.Decoder(_Body)
_rows = msgspec.json.Decoder(list[_Row])
_any = msgspec.json.Decoder()


def pages_since(
    product: Mapping[str, str], since_ns: int, last_id: int | None, fetch: Fetch
) -> Iterator[Page]:
    """Yield the trades from ``since_ns`` on, each once; the last page is empty.

    Args:
        product: the request parameters that name the product.
        since_ns: the cursor to begin with.
        last_id: only trades after this id are yielded, and the first page must reach back to
            it; None: every trade from the cursor on.
        fetch: performs the requests.

    Raises:
        MalformedResponseError: a page is not as documented.
        ExchangeError: whatever ``fetch`` raises.
    """
    unseen = _Unseen(last_id)
    steps_back = list(_STEPS_BACK_NS)
    largest, bump = 0, 1
    while True:
        answer = _ask(product, since_ns, fetch)
        trades = unseen.of(answer.rows)
        # An inclusive cursor repeats at least the row it came from, so an empty page means an
        # exclusive one, which may have cut a group of one stamp.
        suspicious = unseen.leaves_hole(trades) or (unseen.began and not answer.rows)
        if steps_back and since_ns > 0 and suspicious:
            since_ns = max(0, since_ns - steps_back.pop(0))
            continue
        largest = max(largest, len(answer.rows))
        if trades:
            unseen.take(trades, answer.rows)
            trades = _settled(product, answer.rows, trades, fetch)
            steps_back, bump = list(_STEPS_BACK_NS), 1
            yield Page(tuple(trades), more=True)
        elif len(answer.rows) < max(1, largest):
            yield Page((), more=False)
            return
        cursor = _cursor_after(answer)
        # A full page of one stamp would be answered for ever: push past it, ever harder.
        since_ns = cursor if cursor > since_ns else since_ns + bump
        bump *= 2


class _Unseen:
    """Tells which rows of a page are new: by id, or by overlap where the rows have no id.

    began: whether any were seen yet.
    """

    def __init__(self, last_id: int | None) -> None:
        self._last_id = last_id
        self.began = False
        self._made_base = 0
        self._made_ordinal = 0
        self._previous: list[_Row] = []

    def of(self, rows: list[_Row]) -> list[Trade]:
        """Return the new trades, ascending."""
        try:
            if any(row.trade_id is None for row in rows):
                return self._by_overlap(rows)
            trades = [
                _trade(row, row.trade_id)
                for row in rows
                if row.trade_id is not None and self._is_new(row.trade_id)
            ]
        except (ValueError, ArithmeticError) as error:
            raise MalformedResponseError(f"a row of Kraken's history: {error}") from None
        trades.sort(key=by_sequential_id)
        return trades

    def leaves_hole(self, trades: list[Trade]) -> bool:
        """Whether ids between the last page and these trades are missing."""
        return (
            self._last_id is not None
            and bool(trades)
            and int(trades[0].trade_id) > self._last_id + 1
        )

    def take(self, trades: list[Trade], rows: list[_Row]) -> None:
        """Count these as seen."""
        self.began = True
        if rows[-1].trade_id is None:
            self._previous = rows
        else:
            self._last_id = int(trades[-1].trade_id)

    def _is_new(self, trade_id: int) -> bool:
        return self._last_id is None or trade_id > self._last_id

    def _by_overlap(self, rows: list[_Row]) -> list[Trade]:
        return [_trade(row, self._make_id(row)) for row in rows[_overlap(self._previous, rows) :]]

    def _make_id(self, row: _Row) -> int:
        base = _time_us(row)
        if base > self._made_base:
            self._made_base, self._made_ordinal = base, 0
        else:
            self._made_ordinal += 1
        return self._made_base * _MADE_ID_FACTOR + self._made_ordinal


def _overlap(previous: list[_Row], rows: list[_Row]) -> int:
    """Return how many rows the page repeats: the longest end of one that begins the other."""
    for length in range(min(len(previous), len(rows)), 0, -1):
        if previous[-length:] == rows[:length]:
            return length
    return 0


def _ask(product: Mapping[str, str], since_ns: int, fetch: Fetch) -> _Answer:
    params = {**product, "since": str(since_ns), "count": str(PAGE_LIMIT)}
    response = fetch(Request("/0/public/Trades", params))
    try:
        result = _body.decode(response.body).result
        last = result.pop("last", None)
        if len(result) != 1:
            raise ValueError(f"result has {len(result)} keys beside last; expected one")
        rows = _rows.decode(next(iter(result.values())))
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedResponseError(f"Kraken's history of {product['pair']}: {error}") from None
    return _Answer(rows, _nanoseconds(last))


def _settled(
    product: Mapping[str, str], rows: list[_Row], trades: list[Trade], fetch: Fetch
) -> list[Trade]:
    second = doubtful_second([row.time for row in rows])
    if second is None or rows[0].trade_id is None:
        return trades

    def first_id_since(cursor_ns: int) -> int | None:
        following = _ask(product, cursor_ns, fetch).rows
        return following[0].trade_id if following else None

    return settle(trades, second, first_id_since)


def _nanoseconds(last: msgspec.Raw | None) -> int | None:
    text = "" if last is None else str(_any.decode(last))
    return int(text) if len(text) >= _CURSOR_DIGITS and text.isdecimal() else None


def _cursor_after(answer: _Answer) -> int:
    if answer.last_ns is not None:
        return answer.last_ns
    if not answer.rows:
        return 0
    return _time_us(answer.rows[-1]) * _NS_PER_US - _ROW_TIME_MARGIN_NS


def _time_us(row: _Row) -> int:
    return int(row.time * _US_PER_SECOND)


def _trade(row: _Row, trade_id: int) -> Trade:
    side: Literal["buy", "sell"] = "buy" if row.side == "b" else "sell"
    return trade_of(str(trade_id), row.price, row.volume, side, _time_us(row))
