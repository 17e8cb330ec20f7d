"""Kraken's REST history: ``/0/public/Trades`` and its nanosecond cursor.

The cursor is inclusive in measurements and exclusive in older documents, ``last`` is sometimes
missing or too short, and many trades may share one stamp. So pages overlap, ids decide what is
new, and where a page begins after the id it should, the cursor steps back before the page is
believed. A time that may have been rounded up to a whole second is settled by the cursor too.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Fetch,
    Malformed,
    MalformedResponseError,
    Page,
    Request,
    payload_text,
)
from ohlc_exchanges.decoding import (
    by_sequential_id,
    decimal_seconds_us,
    decode_page,
    id_of,
    number,
    read_rows,
    trade_of,
    trades_of,
)
from ohlc_exchanges.kraken.timestamps import doubtful_seconds, settle

PAGE_LIMIT = 1_000

_NS_PER_US = 1_000
_CURSOR_DIGITS = 19

# A row's time is a rounded float; its true stamp is less than this away.
_ROW_TIME_MARGIN_NS = 2_000

# How far the cursor steps back, one try after the other, when a page begins behind a gap.
_STEPS_BACK_NS = (1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000)

# A cursor is pushed past pages without news so often, by steps that double up to 2^63 ns.
_MAX_FRUITLESS = 64

# Synthetic ids: the microsecond, then three digits (or more) of ordinal among equal stamps.
_SYNTHETIC_ID_FACTOR = 1_000


class _Row(msgspec.Struct, array_like=True, frozen=True):
    price: str
    volume: str
    time: Any  # a JSON number, decoded exactly
    side: Literal["b", "s"]
    order_type: str
    misc: str
    trade_id: int | None = None  # absent in recordings of 2018 to 2021


class _Body(msgspec.Struct):
    result: dict[str, msgspec.Raw]


class _Answer(NamedTuple):
    rows: list[_Row]
    broken: list[Malformed]
    last_ns: int | None


class _New(NamedTuple):
    """What a page has that was not seen before: trades, ids of all rows, rows that are none."""

    trades: list[Trade]
    ids: list[int]
    rejected: list[Malformed]


_encode = msgspec.json.Encoder(decimal_format="number").encode
_body = msgspec.json.Decoder(_Body)
_rows = msgspec.json.Decoder(list[_Row], float_hook=Decimal)
_row = msgspec.json.Decoder(_Row, float_hook=Decimal)
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
    largest, bump, fruitless = 0, 1, 0
    while True:
        answer = _ask(product, since_ns, fetch)
        new = unseen.of(answer.rows)
        # An inclusive cursor repeats at least the row it came from, so an empty page means an
        # exclusive one, which may have cut a group of one stamp.
        suspicious = unseen.begins_behind_gap(new.ids, answer.rows) or (
            unseen.began and not answer.rows
        )
        if steps_back and since_ns > 0 and suspicious:
            since_ns = max(0, since_ns - steps_back.pop(0))
            continue
        largest = max(largest, len(answer.rows))
        rejected = (*answer.broken, *new.rejected)
        if new.ids:
            unseen.take(new.ids, answer.rows)
            trades = _settled(product, answer, new.trades, fetch)
            steps_back, bump, fruitless = list(_STEPS_BACK_NS), 1, 0
            yield Page(tuple(trades), more=True, rejected=rejected)
        elif len(answer.rows) < max(1, largest):
            yield Page((), more=False, rejected=rejected)
            return
        fruitless += 1
        if fruitless > _MAX_FRUITLESS:
            raise MalformedResponseError(
                f"Kraken's history of {product['pair']} does not advance beyond {since_ns}"
            )
        cursor = _cursor_after(answer)
        # A full page of one stamp would be answered for ever: push past it, ever harder.
        since_ns = cursor if cursor > since_ns else since_ns + bump
        bump *= 2


class _Unseen:
    """Finds which rows of a page are new: by id, or by overlap where the rows have no id.

    began: whether any were seen yet.
    """

    def __init__(self, last_id: int | None) -> None:
        self._last_id = last_id
        self.began = False
        self._synthetic_base = 0
        self._synthetic_ordinal = 0
        self._previous: list[_Row] = []

    def of(self, rows: list[_Row]) -> _New:
        """Return what is new, ascending."""
        if any(row.trade_id is None for row in rows):
            return self._by_overlap(rows)
        new = [row for row in rows if row.trade_id is not None and self._is_new(row.trade_id)]
        trades, rejected = trades_of(new, _trade, _row_text)
        trades.sort(key=by_sequential_id)
        return _New(trades, sorted(row.trade_id or 0 for row in new), rejected)

    def begins_behind_gap(self, ids: list[int], rows: list[_Row]) -> bool:
        """Whether ids between the last page and these are missing, and the page begins after them.

        A page that reaches back to the last id has shown what history holds behind it.
        """
        if self._last_id is None or not ids or ids[0] <= self._last_id + 1:
            return False
        return all(row.trade_id is None or self._is_new(row.trade_id) for row in rows)

    def take(self, ids: list[int], rows: list[_Row]) -> None:
        """Count these as seen."""
        self.began = True
        if rows[-1].trade_id is None:
            self._previous = rows
        else:
            self._last_id = ids[-1]

    def _is_new(self, trade_id: int) -> bool:
        return self._last_id is None or trade_id > self._last_id

    def _by_overlap(self, rows: list[_Row]) -> _New:
        new = rows[_overlap(self._previous, rows) :]
        trades, rejected = trades_of(new, self._without_id, _row_text)
        return _New(trades, [int(trade.trade_id) for trade in trades], rejected)

    def _without_id(self, row: _Row) -> Trade:
        return _trade(row, self._synthetic_id(row))

    def _synthetic_id(self, row: _Row) -> int:
        base = decimal_seconds_us(row.time)
        if base > self._synthetic_base:
            self._synthetic_base, self._synthetic_ordinal = base, 0
        else:
            self._synthetic_ordinal += 1
        return self._synthetic_base * _SYNTHETIC_ID_FACTOR + self._synthetic_ordinal


def _overlap(previous: list[_Row], rows: list[_Row]) -> int:
    """Return how many rows the page repeats: the longest end of one that begins the other."""
    for length in range(min(len(previous), len(rows)), 0, -1):
        if previous[-length:] == rows[:length]:
            return length
    return 0


def _ask(product: Mapping[str, str], since_ns: int, fetch: Fetch) -> _Answer:
    params = {**product, "since": str(since_ns), "count": str(PAGE_LIMIT)}
    body = fetch(Request("/0/public/Trades", params)).body
    return decode_page(_decode, body, f"Kraken's history of {product['pair']}")


def _decode(body: bytes) -> _Answer:
    result = _body.decode(body).result
    last = result.pop("last", None)
    if len(result) != 1:
        raise ValueError(f"result has {len(result)} keys beside last; expected one")
    rows, broken = read_rows(next(iter(result.values())), _rows, _row)
    good = []
    for row in rows:
        try:
            if row.trade_id is not None:
                id_of(row.trade_id)
            good.append(row)
        except ValueError as error:
            broken.append(Malformed(str(error), payload_text(_row_text(row))))
    return _Answer(good, broken, _nanoseconds(last))


def _settled(
    product: Mapping[str, str], answer: _Answer, trades: list[Trade], fetch: Fetch
) -> list[Trade]:
    """Return the trades, each on its side of the second."""
    rows = answer.rows
    if rows[0].trade_id is None:
        return trades

    def first_id_since(cursor_ns: int) -> int | None:
        following = _ask(product, cursor_ns, fetch).rows
        return following[0].trade_id if following else None

    def is_inclusive() -> bool:
        # Where ``last`` is missing, as measured: inclusive.
        if answer.last_ns is None:
            return True
        first_id = first_id_since(answer.last_ns)
        return first_id is not None and first_id <= max(row.trade_id or 0 for row in rows)

    for second in doubtful_seconds([time for row in rows if (time := _time(row)) is not None]):
        trades = settle(trades, second, first_id_since, is_inclusive)
    return trades


def _time(row: _Row) -> Decimal | None:
    """Return the seconds as the page has them; None for a row that is no trade."""
    try:
        decimal_seconds_us(row.time)
    except ValueError:
        return None
    return number(row.time)


def _nanoseconds(last: msgspec.Raw | None) -> int | None:
    text = "" if last is None else str(_any.decode(last))
    return id_of(text) if len(text) >= _CURSOR_DIGITS and text.isdecimal() else None


def _cursor_after(answer: _Answer) -> int:
    if answer.last_ns is not None:
        return answer.last_ns
    for row in reversed(answer.rows):
        try:
            return decimal_seconds_us(row.time) * _NS_PER_US - _ROW_TIME_MARGIN_NS
        except ValueError:
            continue  # a rejected row
    return 0


def _trade(row: _Row, trade_id: int | None = None) -> Trade:
    side: Literal["buy", "sell"] = "buy" if row.side == "b" else "sell"
    own_id = row.trade_id if trade_id is None else trade_id
    us = decimal_seconds_us(row.time)
    return trade_of("" if own_id is None else own_id, row.price, row.volume, side, us)


def _row_text(row: _Row) -> str:
    return _encode(row).decode()
