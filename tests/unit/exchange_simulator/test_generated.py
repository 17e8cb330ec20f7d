from itertools import islice, pairwise

from exchange_simulator.formatting import NS
from exchange_simulator.market.generated import generate
from exchange_simulator.market.products import character
from exchange_simulator.market.trade_log import Row

START = 1_790_000_000 * NS
BTC = character("BTC/USD")


def trades(count: int, rate: float = 20, seed: int = 1) -> list[Row]:
    return list(islice(generate(BTC, rate, seed, START), count))


def test_same_seed_and_start_give_the_same_trades() -> None:
    assert trades(5_000) == trades(5_000)
    assert trades(50, seed=1) != trades(50, seed=2)


def test_ids_are_dense_and_times_never_go_back() -> None:
    rows = trades(20_000)
    assert [row.trade_id for row in rows] == list(range(BTC.first_id, BTC.first_id + 20_000))
    assert all(before.time_ns <= after.time_ns for before, after in pairwise(rows))
    assert rows[0].time_ns >= START


def test_prices_and_quantities_stay_positive_and_move() -> None:
    rows = trades(20_000)
    assert all(row.price > 0 and row.quantity > 0 for row in rows)
    assert len({row.price for row in rows}) > 100


def test_groups_of_one_stamp_share_side_and_type() -> None:
    rows = trades(20_000)
    groups = [(a, b) for a, b in pairwise(rows) if a.time_ns == b.time_ns]
    assert len(groups) > 1_000
    assert all((a.is_sell, a.is_market) == (b.is_sell, b.is_market) for a, b in groups)


def test_mean_pace_is_the_rate_and_bursts_exceed_it() -> None:
    rows = trades(40_000, rate=20)
    seconds = (rows[-1].time_ns - START) / NS
    assert 0.8 < 40_000 / seconds / 20 < 1.25
    per_second: dict[int, int] = {}
    for row in rows:
        per_second[row.time_ns // NS] = per_second.get(row.time_ns // NS, 0) + 1
    assert max(per_second.values()) > 60


def test_a_product_nobody_knows_has_a_market_too() -> None:
    rows = list(islice(generate(character("ABC/XYZ"), 5, 1, START), 100))
    assert rows[0].trade_id == character("ABC/XYZ").first_id
    assert all(row.price > 0 for row in rows)
