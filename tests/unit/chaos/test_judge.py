"""The judge of chaos runs finds every kind of difference."""

from collections import defaultdict
from fractions import Fraction

import msgspec
import pytest

from chaos.judge import all_expected, judge_candles, judge_store
from chaos.plan import PRODUCTS
from support.candles import T0
from support.trades_topic import Sold, TradesTopic, Truth, judge_trades

SECOND = 1_000_000
UNTIL = T0 + 4 * SECOND


@pytest.fixture
def truth() -> Truth:
    trades = [
        Sold(n, T0 + n * SECOND // 2, Fraction(100 + n), Fraction(1, 4), bought=n % 2 == 0)
        for n in range(8)
    ]
    return Truth("kraken", UNTIL, dict.fromkeys(PRODUCTS, trades))


@pytest.fixture
def topic() -> TradesTopic:
    ids = {product: list(range(8)) for product in PRODUCTS}
    return TradesTopic(ids, defaultdict(list), {product: [T0] for product in PRODUCTS})


def records(topic: TradesTopic, truth: Truth) -> list[bytes]:
    return [
        f'{text}"complete":true,"revision":0}}'.encode()
        for expected in all_expected(topic, truth).values()
        for text in expected.texts.values()
    ]


def test_exact_topics_give_no_problem(topic: TradesTopic, truth: Truth) -> None:
    assert judge_trades(topic, truth) == []
    found = records(topic, truth)
    assert judge_candles(found, all_expected(topic, truth), truth, "exactly-once") == []


@pytest.mark.parametrize(
    ("ids", "word"),
    [
        ([0, 1, 2, 4, 5, 6, 7], "1 missing [3]"),
        ([0, 1, 2, 3, 3, 4, 5, 6, 7], "1 doubled [3]"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 99], "1 not expected [99]"),
        ([1, 0, 2, 3, 4, 5, 6, 7], "another order"),
    ],
)
def test_every_difference_of_trades_is_named(
    topic: TradesTopic, truth: Truth, ids: list[int], word: str
) -> None:
    topic.ids["BTC/USD"] = ids
    assert word in judge_trades(topic, truth)[0]


def test_undeclared_gap_is_a_problem(topic: TradesTopic, truth: Truth) -> None:
    shown = [each for each in truth.trades["BTC/USD"] if each.trade_id != 3]
    truth.trades["BTC/USD"] = shown
    topic.ids["BTC/USD"] = [each.trade_id for each in shown]
    assert judge_trades(topic, truth) == ["gaps BTC/USD: 0 of 1; 1 missing [3]"]
    topic.gaps["BTC/USD"].append((3, 3))
    assert judge_trades(topic, truth) == []


def test_candle_that_differs_is_missing_or_lies_is_a_problem(
    topic: TradesTopic, truth: Truth
) -> None:
    expected = all_expected(topic, truth)
    good = records(topic, truth)
    changed = [good[0].replace(b'"open":100', b'"open":101'), *good[1:]]
    unfinished = [good[0].replace(b'"complete":true', b'"complete":false'), *good[1:]]
    for bad in (good[1:], changed, unfinished, [*good, changed[0]]):
        assert judge_candles(bad, expected, truth, "at-least-once") != []
    assert judge_candles([*good, bytes(bytearray(good[0]))], expected, truth, "exactly-once") != []


def test_row_that_is_missing_or_differs_is_a_problem(topic: TradesTopic, truth: Truth) -> None:
    expected = all_expected(topic, truth)
    rows = {}
    for key, wanted in expected.items():
        for start, text in wanted.texts.items():
            row = msgspec.json.decode((text + '"complete":true}').encode())
            end = start // 1_000 + wanted.step // 1_000
            rows[*key, end] = row | {"window_start": start // 1_000, "window_end": end}
    assert judge_store(rows, expected, UNTIL) == []
    first = next(iter(rows))
    assert judge_store({k: v for k, v in rows.items() if k != first}, expected, UNTIL) != []
    assert judge_store(rows | {first: rows[first] | {"volume": 9.0}}, expected, UNTIL) != []
