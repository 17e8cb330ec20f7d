"""Finding the shortest plan that still fails: delta debugging over faults and blows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from chaos.plan import Plan

T = TypeVar("T")


def shortest(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Return items of which none can be left out without the failure going away.

    Args:
        items: together they fail.
        fails: whether a part of them, in the same order, fails.
    """
    parts = 2
    while len(items) >= 2:
        size = -(-len(items) // parts)
        for at in range(0, len(items), size):
            rest = [*items[:at], *items[at + size :]]
            if rest and fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(items))
    return items


def shrink(plan: Plan, fails: Callable[[Plan], bool], most: int) -> Plan:
    """Return the shortest plan found that fails, after at most ``most`` runs."""
    runs = 0

    def check(items: Sequence[object]) -> bool:
        nonlocal runs
        runs += 1
        return runs <= most and fails(_with(plan, items))

    items: list[object] = [*plan.faults, *plan.blows]
    return _with(plan, shortest(items, check))


def _with(plan: Plan, items: Sequence[object]) -> Plan:
    kept = {id(each) for each in items}
    return msgspec.structs.replace(
        plan,
        faults=tuple(each for each in plan.faults if id(each) in kept),
        blows=tuple(each for each in plan.blows if id(each) in kept),
    )
