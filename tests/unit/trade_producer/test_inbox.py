"""The inbox keeps order, holds a bound, and lets both sides wait."""

import threading

from trade_producer.connection import Inbox


def test_what_is_put_is_taken_in_order_and_at_most_as_many_as_asked() -> None:
    inbox = Inbox()
    for number in range(5):
        assert inbox.put(number, lambda: False)
    assert inbox.take(0.0, max_events=3) == [0, 1, 2]
    assert inbox.take(0.0) == [3, 4]
    assert inbox.take(0.0) == []


def test_a_full_inbox_makes_its_writer_wait_until_it_is_read() -> None:
    inbox = Inbox(max_events=2)
    written: list[int] = []

    def write() -> None:
        for number in range(100):
            assert inbox.put(number, lambda: False)
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    taken: list[object] = []
    while len(taken) < 100:
        assert inbox.waiting <= 2
        taken += inbox.take(5.0, max_events=1)
    writer.join(5.0)
    assert taken == list(range(100))


def test_a_cancelled_writer_gives_up() -> None:
    inbox = Inbox(max_events=1)
    assert inbox.put(1, lambda: False)
    assert not inbox.put(2, lambda: True)
    assert inbox.take(0.0) == [1]


def test_many_writers_lose_nothing() -> None:
    inbox = Inbox(max_events=10)
    writers = [
        threading.Thread(
            target=lambda first=first: [inbox.put(first + i, lambda: False) for i in range(200)]
        )
        for first in (0, 1_000, 2_000)
    ]
    for writer in writers:
        writer.start()
    taken: list[object] = []
    while len(taken) < 600:
        events = inbox.take(5.0)
        assert events, "nothing came within five seconds"
        taken += events
    for writer in writers:
        writer.join(5.0)
    for first in (0, 1_000, 2_000):
        assert [e for e in taken if first <= int(str(e)) < first + 1_000] == [
            first + i for i in range(200)
        ]
