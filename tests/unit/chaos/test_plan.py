"""Plans of chaos runs: drawn from a seed, kept in a file, shrunk to what still fails."""

from chaos.isolation import possible_kinds
from chaos.plan import Plan, Size, plan_of
from chaos.shrink import shortest, shrink

SIZE = Size(1_000, 20, 8)


def plan() -> Plan:
    return plan_of(7, SIZE, possible_kinds()[0], ("sqlite",))


def test_same_seed_gives_the_same_plan() -> None:
    assert plan() == plan()
    assert plan() != plan_of(8, SIZE, possible_kinds()[0], ("sqlite",))


def test_plan_survives_its_file() -> None:
    assert Plan.from_json(plan().to_json()) == plan()


def test_store_goes_away_only_where_it_is_a_server() -> None:
    kinds = {
        b.kind
        for seed in range(50)
        for b in plan_of(seed, SIZE, ("kill", "store_away"), ("sqlite",)).blows
    }
    assert kinds == {"kill"}


def test_shrinking_keeps_what_fails_together() -> None:
    assert list(shortest(range(40), lambda kept: {3, 31} <= set(kept))) == [3, 31]


def test_shrinking_a_plan_stops_after_its_runs() -> None:
    runs: list[Plan] = []

    def fails(each: Plan) -> bool:
        runs.append(each)
        return plan().blows[0] in each.blows

    short = shrink(plan(), fails, 60)
    assert short.blows == plan().blows[:1]
    assert short.faults == ()
    assert len(runs) <= 60
