"""Which rates a ramp measures."""

from benchmarks.load.ramp import next_rate

LADDER = [1_000.0, 2_000.0, 5_000.0]


def _measured(carries: float, ladder: list[float]) -> dict[float, bool]:
    held: dict[float, bool] = {}
    while (rate := next_rate(held, ladder)) is not None:
        assert rate not in held
        held[rate] = rate <= carries
    return held


def test_ramp_climbs_ladder_while_rates_are_carried() -> None:
    assert list(_measured(9_000, LADDER)) == LADDER


def test_ramp_closes_in_on_limit_to_a_tenth() -> None:
    held = _measured(3_210, LADDER)
    best = max(rate for rate, ok in held.items() if ok)
    failed = min(rate for rate, ok in held.items() if not ok)
    assert best <= 3_210 < failed
    assert failed - best <= failed / 10


def test_ramp_ends_where_lowest_rate_fails() -> None:
    assert list(_measured(0, LADDER)) == [1_000.0]
