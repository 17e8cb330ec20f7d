import json

import msgspec
import pytest

from exchange_simulator.faults.model import Drop, Jump, Skip, read_orders
from exchange_simulator.faults.schedule import KINDS, random_orders


def test_same_seed_gives_the_same_schedule() -> None:
    assert random_orders(7, 50, 1000) == random_orders(7, 50, 1000)
    assert random_orders(7, 50, 1000) != random_orders(8, 50, 1000)


def test_schedule_is_in_order_within_its_trades_and_mixes_every_kind() -> None:
    orders = random_orders(1, 400, 1000)
    moments = [order.at_trades for order in orders]
    assert moments == sorted(moments, key=lambda moment: moment or 0)
    assert all(moment is not None and 0 <= moment < 1000 for moment in moments)
    kinds = {str(msgspec.to_builtins(order.fault)["fault"]) for order in orders}
    assert kinds == set(KINDS)
    whens = {order.fault.when for order in orders if isinstance(order.fault, Drop)}
    assert len(whens) == 5


def test_what_changes_the_outcome_must_be_asked_for() -> None:
    faults = [order.fault for order in random_orders(1, 400, 1000)]
    assert not [fault for fault in faults if isinstance(fault, Skip) and fault.withhold]
    assert not [fault for fault in faults if isinstance(fault, Jump)]
    [order] = random_orders(1, 1, 10, ["BTC/USD"], ["withhold"])
    assert isinstance(order.fault, Skip)
    assert order.fault.withhold
    assert order.fault.product == "BTC/USD"


def test_a_schedule_can_be_ordered_over_http() -> None:
    orders = random_orders(3, 200, 1000, ["BTC/USD"], [*KINDS, "withhold", "jump"])
    body = json.dumps([msgspec.to_builtins(order) for order in orders]).encode()
    assert read_orders(body) == orders


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="kind was 'earthquake'"):
        random_orders(1, 1, 10, kinds=["earthquake"])
