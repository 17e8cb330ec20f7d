"""What the `trades` topic says, and whether that is what the exchange traded."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import GapMessage, StartMessage, TradesMessage
from ohlc_exchanges.registry import has_dense_ids
from support.kafka import Record

#: Later than any trade.
NEVER_US = 1 << 62
_SHOWN = 5


class TradesTopic(NamedTuple):
    """What the records say, by product.

    Attributes:
        ids: of the trades, in the topic's order.
        gaps: first and last id of every gap.
        starts: moments (us) of the start records.
    """

    ids: dict[str, list[int]]
    gaps: dict[str, list[tuple[int, int]]]
    starts: dict[str, list[int]]

    def gap_ids(self, product: str) -> list[int]:
        """Return every id that a product's gaps name."""
        gaps = self.gaps.get(product, [])
        return [each for first, last in gaps for each in range(first, last + 1)]


def read_trades(records: Iterable[Record]) -> TradesTopic:
    """Take the topic's records apart; each must be one of the contract's."""
    topic = TradesTopic({}, {}, {})
    for record in records:
        message = decode_trades_topic(record.value or b"")
        product = message.product_id
        if isinstance(message, TradesMessage):
            topic.ids.setdefault(product, []).extend(int(t.trade_id) for t in message.trades)
        elif isinstance(message, GapMessage):
            ends = int(message.first_missing_id), int(message.last_missing_id)
            topic.gaps.setdefault(product, []).append(ends)
        elif isinstance(message, StartMessage):
            topic.starts.setdefault(product, []).append(message.from_us)
    return topic


class Sold(NamedTuple):
    """One trade as the exchange knows it."""

    trade_id: int
    time_us: int
    price: Fraction
    quantity: Fraction
    bought: bool


class Truth(NamedTuple):
    """What the exchange knows.

    Attributes:
        exchange: its name.
        until_us: the moment up to which everything is judged.
        trades: those it shows, by product.
    """

    exchange: str
    until_us: int
    trades: dict[str, list[Sold]]

    @staticmethod
    def of(
        exchange: str, rows: dict[str, list[dict[str, Any]]], until_us: int = NEVER_US
    ) -> "Truth":
        """Take the simulator's own listing of every product, which may go on after the moment."""
        trades = {product: _sold(exchange, each) for product, each in rows.items()}
        return Truth(exchange, until_us, trades)

    def from_start(self, product: str, from_us: int) -> list[Sold]:
        """Return the shown trades of a product from a moment on."""
        return [each for each in self.trades[product] if each.time_us >= from_us]

    def judged(self, product: str, from_us: int) -> list[Sold]:
        """Return those of `from_start` that are judged: the market goes on behind them."""
        return [each for each in self.from_start(product, from_us) if each.time_us < self.until_us]


def _sold(exchange: str, rows: list[dict[str, Any]]) -> list[Sold]:
    """Return the trades that the exchange shows, by id, or by time where ids are not dense."""
    found = [
        Sold(
            int(each["trade_id"]),
            each["time_ns"] // 1_000,
            Fraction(each["price"]),
            Fraction(each["quantity"]),
            each["side"] == "buy",
        )
        for each in rows
        if not each["withheld"]
    ]
    dense = has_dense_ids(exchange)
    return sorted(found, key=lambda each: each[:1] if dense else (each.time_us, each.trade_id))


def judge_trades(topic: TradesTopic, truth: Truth) -> list[str]:
    """Return what is wrong: every shown trade is there once, in order; other ids are declared."""
    problems = []
    dense = has_dense_ids(truth.exchange)
    for product in truth.trades:
        starts = topic.starts.get(product, [])
        if len(starts) != 1:
            problems.append(f"trades {product}: start records {starts}, one expected")
            continue
        wanted = [each.trade_id for each in truth.judged(product, starts[0])]
        # What was traded later may be on its way.
        later = {each.trade_id for each in truth.from_start(product, starts[0])} - {*wanted}
        found = [each for each in topic.ids.get(product, []) if each not in later]
        if not dense:
            found, wanted = sorted(found), sorted(wanted)
        if found != wanted:
            problems.append(f"trades {product}: {difference(found, wanted)}")
        # Where ids are not dense, nothing says which of them are missing.
        between = range(wanted[0], wanted[-1] + 1) if dense and wanted else range(0)
        missing = sorted(set(between) - set(wanted))
        is_open = bool(dense and wanted and later)
        declared = [each for each in topic.gap_ids(product) if not is_open or each <= wanted[-1]]
        if declared != missing:
            problems.append(f"gaps {product}: {difference(declared, missing)}")
    return problems


def difference(found: list[int], wanted: list[int]) -> str:
    """Say how two lists of ids differ."""
    parts = {
        "missing": sorted(set(wanted) - set(found)),
        "not expected": sorted(set(found) - set(wanted)),
        "doubled": [each for each, count in Counter(found).items() if count > 1],
    }
    words = [f"{len(ids)} {what} {ids[:_SHOWN]}" for what, ids in parts.items() if ids]
    if not words:
        at = next(i for i, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
        words = [f"another order from place {at} on"]
    return f"{len(found)} of {len(wanted)}; {', '.join(words)}"
