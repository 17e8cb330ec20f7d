"""Waits between connections grow with jitter, and attempts stay within the exchange's limit."""

import random

import pytest

from trade_producer.backoff import AttemptLimit, Backoff


def test_the_first_wait_is_short_and_the_next_double_up_to_the_most() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    waits = [backoff.next_seconds() for _ in range(12)]
    assert waits[0] <= 0.25
    for wait, whole in zip(waits[1:], [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60], strict=True):
        assert whole / 2 <= wait <= whole


def test_success_makes_the_next_wait_short_again() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    for _ in range(5):
        backoff.next_seconds()
    backoff.succeeded()
    assert backoff.next_seconds() <= 0.25


def test_two_clients_do_not_wait_alike() -> None:
    one, other = (Backoff(1.0, 60.0, random.Random(seed)) for seed in (1, 2))
    assert [one.next_seconds() for _ in range(5)] != [other.next_seconds() for _ in range(5)]


def test_no_more_attempts_than_allowed_in_any_span() -> None:
    limit = AttemptLimit(3, 10.0)
    for now in (0.0, 1.0, 2.0):
        assert limit.wait_seconds(now) == 0.0
        limit.attempted(now)
    assert limit.wait_seconds(3.0) == pytest.approx(7.0)
    assert limit.wait_seconds(10.0) == 0.0
