"""Redis' part: of each key the newest row, replaced by the store's own rule, atomically.

A hash for each product and interval, of candles and of each feature group:

- ``place``: which window (its start for candles, its end for feature rows);
- ``r1`` .. ``r4``: what decides between two rows of that window, `ohlc_features.replacement.rank`
  for candles and the order of writing for feature rows; the greater tuple stays, of equal ones the
  later one;
- ``end``: the window's end, ms;
- ``row``: the row as a JSON array, or "" where the newest complete window lost its completeness:
  which one is the newest then only the feature store knows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from ohlc_features.errors import StoreUnavailableError
from ohlc_features.replacement import OnlineKey, rank
from ohlc_features.schema import FeatureRow

_TIMEOUT_SECONDS = 5.0
#: Rows in one call: the server does nothing else meanwhile.
_ROWS_AT_ONCE = 50
# KEYS: of the rows. ARGV: whether a key that is not there is made; then 8 values a row: place, r1
# to r4, whether it may be shown, end, row. Returns the positions of the keys that are not there.
_SCRIPT = """
local absent = {}
for i = 1, #KEYS do
    local a = (i - 1) * 8 + 1
    local held = redis.call('HMGET', KEYS[i], 'place', 'r1', 'r2', 'r3', 'r4')
    local place, shown = tonumber(ARGV[a + 1]), ARGV[a + 6] == '1'
    local takes = false
    if not held[1] then
        absent[#absent + 1] = i
        takes = shown and ARGV[1] == '1'
    elseif place > tonumber(held[1]) then
        takes = shown
    elseif place == tonumber(held[1]) then
        takes = true
        for r = 1, 4 do
            local new, old = tonumber(ARGV[a + 1 + r]), tonumber(held[1 + r])
            if new ~= old then
                takes = new > old
                break
            end
        end
    end
    if takes then
        redis.call('HSET', KEYS[i], 'place', ARGV[a + 1], 'r1', ARGV[a + 2], 'r2', ARGV[a + 3],
            'r3', ARGV[a + 4], 'r4', ARGV[a + 5], 'end', ARGV[a + 7],
            'row', shown and ARGV[a + 8] or '')
    end
end
return absent
"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


class Entry(NamedTuple):
    """A row on its way: its key, what it is of, and the values of the hash."""

    key: str
    of: OnlineKey
    place: int
    ranks: tuple[int, int, int, int]
    is_shown: bool
    end_ms: int
    row: Sequence[Any]


def candle_key(group: str, exchange: str, product_id: str, interval: str) -> str:
    """Return the key of a product's newest candle; ``group`` is name and version."""
    return f"{group}:candle:{exchange}:{product_id}:{interval}"


def group_key(table: str, exchange: str, product_id: str, interval: str) -> str:
    """Return the key of a product's newest row of a feature group."""
    return f"{table}:features:{exchange}:{product_id}:{interval}"


def candle_entry(group: str, row: FeatureRow) -> Entry:
    """Return the entry of a candle's row."""
    trades, repairs, revision, complete = rank(row, row.origin)
    ranks = (trades, int(repairs), revision, int(complete))
    key = candle_key(group, *row[:3])
    return Entry(key, row[:3], row.window_start, ranks, row.complete, row.window_end, row)


def group_entry(table: str, row: Sequence[Any], written: int) -> Entry:
    """Return the entry of a feature group's row: exchange, product, interval, start, end, values,
    complete. ``written`` grows with every transaction."""
    exchange, product_id, interval, _, end_ms, *values, complete = row
    key = group_key(table, exchange, product_id, interval)
    of = (exchange, product_id, interval)
    ranks = (written, 0, 0, 0)
    return Entry(key, of, end_ms, ranks, True, end_ms, [*values, bool(complete)])


class NewestRows:
    """The newest rows in one Redis.

    Args:
        url: ``redis://`` or ``rediss://``.

    Raises:
        StoreUnavailableError: by every call, when it does not answer.
    """

    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
        )
        self._script = self._client.register_script(_SCRIPT)

    def put(self, entries: Sequence[Entry], *, makes_keys: bool) -> list[Entry]:
        """Put rows, each where the rule lets it; return those whose keys were not there."""
        absent: list[Entry] = []
        for begin in range(0, len(entries), _ROWS_AT_ONCE):
            part = entries[begin : begin + _ROWS_AT_ONCE]
            values: list[Any] = [int(makes_keys)]
            for each in part:
                values += (each.place, *each.ranks, int(each.is_shown), each.end_ms)
                values.append(_encode(each.row))
            places = self._run(lambda: self._script([each.key for each in part], values))  # noqa: B023
            absent += [part[place - 1] for place in places]
        return absent

    def next_write(self, group: str) -> int:
        """Return a number greater than any before: within the writers' turn it orders them."""
        return int(self._run(lambda: self._client.incr(f"{group}:writes")))

    def rows(self, keys: Sequence[str]) -> list[tuple[int, list[Any]] | None]:
        """Return of each key the window's end and the row; None where only the store knows."""
        pipeline = self._client.pipeline(transaction=True)
        for key in keys:
            pipeline.hmget(key, "end", "row")
        found = self._run(pipeline.execute)
        return [(int(end), _decode(row)) if row else None for end, row in found]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _run(self, call: Any) -> Any:  # noqa: ANN401 - the client is untyped
        try:
            return call()
        except redis.RedisError as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise StoreUnavailableError(f"ONLINE_STORE_URL cannot be used: {text}") from None
