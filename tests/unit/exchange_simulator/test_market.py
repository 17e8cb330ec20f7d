from exchange_simulator.market.market import Batch, Listing, Market
from exchange_simulator.market.products import Product
from exchange_simulator.market.trade_log import Row, TradeLog


def row(trade_id: int, time_ns: int) -> Row:
    return Row(trade_id, 10, 5, False, True, time_ns)


def market(first_shared_id: int | None = None) -> Market:
    return Market(
        [
            Listing(Product("A/USD", 2), iter([row(1, 10), row(2, 10), row(3, 40)])),
            Listing(Product("B/USD", 2), iter([row(7, 20), row(8, 30)])),
        ],
        first_shared_id,
    )


def ids(log: TradeLog) -> list[int]:
    return [each.trade_id for each in log.rows(0, len(log))]


def test_trades_happen_up_to_and_including_their_time() -> None:
    simulated = market()
    assert simulated.release(9) == []
    assert simulated.release(20) == [Batch("A/USD", 0, 2), Batch("B/USD", 0, 1)]
    assert simulated.release(39) == [Batch("B/USD", 1, 2)]
    assert simulated.release(None) == [Batch("A/USD", 2, 3)]
    assert simulated.is_exhausted
    assert simulated.last_time_ns == 40


def test_release_stops_at_its_limit_in_time_order() -> None:
    simulated = market()
    simulated.release(None, 3)
    assert ids(simulated.log("A/USD")) == [1, 2]
    assert ids(simulated.log("B/USD")) == [7]
    assert simulated.next_time_ns == 30


def test_history_is_not_counted_as_live() -> None:
    simulated = market()
    simulated.make_history(10)
    assert simulated.live_trades == 0
    simulated.release(None)
    assert simulated.live_trades == 3


def test_jumped_ids_are_never_had() -> None:
    simulated = market()
    simulated.release(10)
    simulated.jump_ids("A/USD", 100)
    simulated.release(None)
    assert ids(simulated.log("A/USD")) == [1, 2, 103]
    assert ids(simulated.log("B/USD")) == [7, 8]


def test_shared_ids_ascend_over_all_products_and_are_not_dense() -> None:
    simulated = market(first_shared_id=1_000)
    simulated.release(None)
    a, b = ids(simulated.log("A/USD")), ids(simulated.log("B/USD"))
    assert sorted(a + b) == [a[0], a[1], b[0], b[1], a[2]]
    assert len(set(a + b)) == 5


def test_withheld_trades_are_in_no_view() -> None:
    log = TradeLog()
    for number in range(6):
        log.append(row(100 + number, number))
    log.withheld.update({4, 5})
    assert ids(log) == [100, 101, 102, 103]
    assert [each.trade_id for each in log.newest(2)] == [102, 103]
    assert [each.trade_id for each in log.newest(9, stop=2)] == [100, 101]


def test_log_keeps_every_field() -> None:
    log = TradeLog()
    kept = Row(1 << 40, 84_098_4, 12_345_678, True, False, 1_790_000_074_626_190_123)
    log.append(kept)
    assert log.row(0) == kept
    assert log.index_of(1 << 40) == 0
    assert log.index_of(5) is None
    assert log.index_at_time(kept.time_ns) == 0
    assert log.index_at_time(kept.time_ns + 1) == 1
