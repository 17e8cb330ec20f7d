"""The partition of a key is Java Kafka's (the vectors are those of Kafka's own tests)."""

import pytest

from trade_producer.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hash_is_the_one_of_java_kafka(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFF_FFFF


def test_partition_is_within_the_topic() -> None:
    assert {partition_of(str(i).encode(), 4) for i in range(100)} == {0, 1, 2, 3}
